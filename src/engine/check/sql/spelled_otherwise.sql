-- Keys of a table that match no org as text, although an org has the same UUID or number in another spelling: how many, and one
-- of them with the key of the org. $1 has the keys of all orgs. Each key is looked up in the index on the column once, however
-- many rows it has.
WITH RECURSIVE walked (key) AS (
    (SELECT t.{column} FROM {table} AS t WHERE t.{column} IS NOT NULL ORDER BY t.{column} LIMIT 1)
    UNION ALL
    SELECT (SELECT t.{column} FROM {table} AS t WHERE t.{column} > w.key ORDER BY t.{column} LIMIT 1)
    FROM walked w WHERE w.key IS NOT NULL
),
written (key, is_listed) AS (
    SELECT w.key::text COLLATE "C", false FROM walked w WHERE w.key IS NOT NULL
    UNION ALL
    SELECT l.key COLLATE "C", true FROM unnest($1::text[]) AS l (key)
),
meant (key, is_listed, value) AS (
    SELECT w.key, w.is_listed, CASE
        WHEN btrim(w.key) ~* '^([0-9a-f]{4}(-?[0-9a-f]{4}){7}|\{[0-9a-f]{4}(-?[0-9a-f]{4}){7}\})$' THEN btrim(w.key)::uuid::text
        WHEN w.key ~ '^\s*[+-]?[0-9]{1,100}(\.[0-9]{0,100})?\s*$' THEN trim_scale(w.key::numeric)::text
    END
    FROM written w
)
SELECT count(DISTINCT m.key), min(m.key), (array_agg(l.key ORDER BY m.key))[1]
FROM meant m
JOIN meant l ON l.is_listed AND l.value = m.value
WHERE NOT m.is_listed AND NOT EXISTS (SELECT FROM meant same WHERE same.is_listed AND same.key = m.key)
