-- Tables, the largest first.
SELECT t.name FROM unnest($1::text[]) AS t (name) ORDER BY pg_total_relation_size(t.name::regclass) DESC
