-- The first place (table, or partition of any level) that lacks one of the triggers $2, or where one is disabled or also fires
-- in Mover's own sessions.
SELECT format('%I.%I', n.nspname, c.relname) AS place
FROM unnest($1::oid[]) AS root (oid)
CROSS JOIN LATERAL (
    SELECT root.oid AS relid
    UNION
    SELECT tree.relid FROM pg_partition_tree(root.oid) tree
) place
JOIN pg_class c ON c.oid = place.relid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
  AND (
      SELECT count(*) FROM pg_trigger t
      WHERE t.tgrelid = c.oid AND t.tgname::text = ANY ($2) AND t.tgenabled = 'O'
  ) < cardinality($2)
ORDER BY 1
LIMIT 1
