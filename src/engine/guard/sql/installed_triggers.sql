-- The triggers of a migration wherever they are, by table: the names of their functions begin with $1, those of the triggers
-- are in $2. Triggers that a partition inherits go with those of its table. Only who has the rights of a table's owner can drop them.
SELECT format('%I.%I', n.nspname, c.relname) AS place, array_agg(format('%I', t.tgname) ORDER BY t.tgname) AS triggers,
       bool_and(pg_has_role(c.relowner, 'USAGE')) AS is_ours, min(pg_get_userbyid(c.relowner)::text) AS owner
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND t.tgparentid = 0
  AND (
      t.tgname = ANY ($2::text[])
      OR p.pronamespace = to_regnamespace('mover') AND starts_with(p.proname, $1)
         AND substr(p.proname, length($1) + 1) ~ '^[0-9a-f]{16}_(insert|update|delete|truncate)$'
  )
GROUP BY 1
ORDER BY 1
