-- The tables of users that are none of the moved tables $1 or a partition of one, and why their rows may belong to orgs: they
-- reference or inherit from a moved table, or have a column with the name of a key column ($2).
WITH member (root, oid) AS (
    SELECT root, root FROM unnest($1::oid[]) AS root
    UNION
    SELECT root, tree.relid FROM unnest($1::oid[]) AS root CROSS JOIN LATERAL pg_partition_tree(root) tree
)
SELECT
    c.oid,
    n.nspname::text AS schema,
    c.relname::text AS name,
    CASE WHEN c.relkind = 'r' AND c.reltuples >= 0 THEN c.reltuples::int8 END AS rows_estimated,
    points.root AS points_to,
    points.column_name AS points_with,
    points.parent_column,
    (SELECT m.root FROM pg_inherits i JOIN member m ON m.oid = i.inhparent WHERE i.inhrelid = c.oid LIMIT 1) AS inherits_from,
    (
        SELECT a.attname::text FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attname = ANY ($2::text[]) AND a.attnum > 0 AND NOT a.attisdropped LIMIT 1
    ) AS key_column
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT
        m.root,
        CASE WHEN cardinality(k.conkey) = 1 THEN (
            SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
        ) END AS column_name,
        (SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = k.confrelid AND a.attnum = k.confkey[1]) AS parent_column
    FROM pg_constraint k
    JOIN member m ON m.oid = k.confrelid
    WHERE k.contype = 'f' AND k.conrelid IN (SELECT c.oid UNION SELECT tree.relid FROM pg_partition_tree(c.oid) AS tree)
    ORDER BY cardinality(k.conkey), k.conname
    LIMIT 1
) AS points ON true
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND NOT EXISTS (SELECT FROM member m WHERE m.oid = c.oid)
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'mover') AND n.nspname NOT LIKE 'pg\_%'
  -- The tables of an extension come with it.
  AND NOT EXISTS (
      SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
ORDER BY n.nspname, c.relname
