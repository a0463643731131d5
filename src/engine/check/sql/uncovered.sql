-- Tables that are missing in the definition ($1 has those it names) but look as if they held rows of an org: they reference a
-- moved table, or have a column with the name of a key column ($2).
SELECT
    format('%I.%I', n.nspname, c.relname) AS name,
    (
        SELECT string_agg(DISTINCT k.confrelid::regclass::text, ', ') FROM pg_constraint k
        WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid = ANY ($1::oid[])
    ) AS points_to,
    (
        SELECT a.attname::text FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attname = ANY ($2::text[]) AND a.attnum > 0 AND NOT a.attisdropped LIMIT 1
    ) AS key_column
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.oid <> ALL ($1::oid[])
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'mover') AND n.nspname NOT LIKE 'pg\_%'
ORDER BY 1
