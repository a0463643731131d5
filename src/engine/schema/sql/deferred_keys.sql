-- Unique constraints of tables and of their partitions that Postgres enforces by a trigger; those that a partition inherits appear
-- only once.
WITH member (root, oid) AS (
    SELECT root, root FROM unnest($1::oid[]) AS root
    UNION
    SELECT root, tree.relid FROM unnest($1::oid[]) AS root CROSS JOIN LATERAL pg_partition_tree(root) tree
)
SELECT
    k.conname::text AS name,
    m.root AS table_oid,
    n.nspname::text AS schema,
    c.relname::text AS table_name,
    c.relkind::text AS kind,
    columns.names AS columns,
    columns.equalities
FROM member m
JOIN pg_constraint k ON k.conrelid = m.oid AND k.contype IN ('u', 'p') AND k.condeferrable AND k.conparentid = 0
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_index i ON i.indexrelid = k.conindid
CROSS JOIN LATERAL (
    SELECT
        array_agg(a.attname::text ORDER BY key.place) AS names,
        -- The equality that the index uses.
        array_agg((
            SELECT format('OPERATOR(%I.%s)', s.nspname, o.oprname)
            FROM pg_opclass l
            JOIN pg_amop e ON e.amopfamily = l.opcfamily AND e.amopstrategy = 3
                AND e.amoplefttype = l.opcintype AND e.amoprighttype = l.opcintype
            JOIN pg_operator o ON o.oid = e.amopopr
            JOIN pg_namespace s ON s.oid = o.oprnamespace
            WHERE l.oid = i.indclass[key.place - 1]
        ) ORDER BY key.place) AS equalities
    FROM unnest(k.conkey) WITH ORDINALITY AS key (number, place)
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = key.number
) AS columns
ORDER BY n.nspname, c.relname, k.conname
