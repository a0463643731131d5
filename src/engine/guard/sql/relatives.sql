-- Tables, by number, that are also reached by the name of another table, or that reach another table: a write fires the
-- triggers of the table that it names. The partitions of a table have triggers of their own.
SELECT related.number, related.is_part, format('%I.%I', n.nspname, c.relname) AS other
FROM (
    SELECT guarded.number, true AS is_part, i.inhparent AS oid
    FROM unnest($1::oid[]) WITH ORDINALITY AS guarded (oid, number)
    JOIN pg_inherits i ON i.inhrelid = guarded.oid
    UNION ALL
    SELECT guarded.number, false, i.inhrelid
    FROM unnest($1::oid[]) WITH ORDINALITY AS guarded (oid, number)
    JOIN pg_inherits i ON i.inhparent = guarded.oid
    JOIN pg_class heir ON heir.oid = i.inhrelid AND NOT heir.relispartition
) AS related
JOIN pg_class c ON c.oid = related.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY 1, 3
