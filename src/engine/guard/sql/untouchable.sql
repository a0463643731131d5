-- Tables and partitions on which our role may not create triggers.
SELECT root.oid AS root, format('%I.%I', n.nspname, c.relname) AS place
FROM unnest($1::oid[]) AS root (oid)
CROSS JOIN LATERAL (
    SELECT root.oid AS relid
    UNION
    SELECT tree.relid FROM pg_partition_tree(root.oid) tree
) place
JOIN pg_class c ON c.oid = place.relid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT has_table_privilege(c.oid, 'TRIGGER')
ORDER BY 2
