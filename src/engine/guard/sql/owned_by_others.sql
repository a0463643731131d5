-- Tables and partitions whose triggers our role could not drop, by what would give it the right to.
SELECT format('GRANT %I TO %I', pg_get_userbyid(c.relowner), current_user) AS remedy,
       string_agg(DISTINCT format('%I.%I', n.nspname, c.relname), ', ') AS places
FROM unnest($1::oid[]) AS root (oid)
CROSS JOIN LATERAL (
    SELECT root.oid AS relid
    UNION
    SELECT tree.relid FROM pg_partition_tree(root.oid) tree
) place
JOIN pg_class c ON c.oid = place.relid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT pg_has_role(c.relowner, 'USAGE')
GROUP BY 1
ORDER BY 1
