-- The triggers of the guard on these tables and their partitions: one row for each place where one should be.
SELECT
    root.oid AS root,
    c.oid AS oid,
    format('%I.%I', n.nspname, c.relname) AS place,
    t.tgname::text AS trigger,
    coalesce(t.tgenabled IN ('O', 'A'), false) AS enabled,
    CASE WHEN p.oid IS NOT NULL THEN format('%I.%I', pn.nspname, p.proname) END AS function,
    p.prosrc AS body
FROM unnest($1::oid[]) AS root (oid)
CROSS JOIN LATERAL (
    SELECT root.oid AS relid
    UNION
    SELECT tree.relid FROM pg_partition_tree(root.oid) tree WHERE tree.isleaf
) place
JOIN pg_class c ON c.oid = place.relid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal AND starts_with(t.tgname::text, $2)
LEFT JOIN pg_proc p ON p.oid = t.tgfoid
LEFT JOIN pg_namespace pn ON pn.oid = p.pronamespace
WHERE c.relkind IN ('r', 'p')
ORDER BY 3, 4
