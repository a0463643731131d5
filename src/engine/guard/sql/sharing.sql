-- Those of the migrations $1 that have triggers on one of the tables $3 or their partitions: the names of their functions begin
-- with the texts in $2.
SELECT DISTINCT other.migration
FROM unnest($1::text[], $2::text[]) AS other (migration, functions)
JOIN pg_proc p ON p.pronamespace = to_regnamespace('mover') AND starts_with(p.proname, other.functions)
    AND substr(p.proname, length(other.functions) + 1) ~ '^[0-9a-f]{16}_(insert|update|delete|truncate)$'
JOIN pg_trigger t ON t.tgfoid = p.oid
WHERE t.tgrelid IN (
    SELECT place.relid
    FROM unnest($3::oid[]) AS root (oid)
    CROSS JOIN LATERAL (
        SELECT root.oid AS relid
        UNION
        SELECT tree.relid FROM pg_partition_tree(root.oid) tree
    ) place
)
ORDER BY 1
