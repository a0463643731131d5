-- Places (tables, partitions of any level, and heirs, which cannot be guarded) that lack one of the triggers $3, or where one is
-- disabled, also fires in Mover's own sessions, or is that of another table: the functions of a table have names that begin with
-- its text in $2. `is_new`: a partition on which nothing was disabled, which was attached since.
SELECT DISTINCT
    format('%I.%I', n.nspname, c.relname) AS place,
    c.relispartition AND c.oid <> root.oid AND NOT EXISTS (
        SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname::text = ANY ($3) AND t.tgenabled <> 'O'
    ) AS is_new
FROM unnest($1::oid[], $2::text[]) AS root (oid, functions)
CROSS JOIN LATERAL (
    SELECT root.oid AS relid
    UNION
    SELECT tree.relid FROM pg_partition_tree(root.oid) tree
    UNION
    SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = root.oid
) place
JOIN pg_class c ON c.oid = place.relid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
  AND (
      SELECT count(*)
      FROM pg_trigger t
      JOIN pg_proc p ON p.oid = t.tgfoid
      WHERE t.tgrelid = c.oid AND t.tgname::text = ANY ($3) AND t.tgenabled = 'O'
        AND p.pronamespace = to_regnamespace('mover') AND starts_with(p.proname, root.functions)
  ) < cardinality($3)
ORDER BY 1
