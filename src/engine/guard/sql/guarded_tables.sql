-- The tables and partitions with triggers of a migration: the names of their functions begin with $1.
SELECT DISTINCT t.tgrelid
FROM pg_trigger t
JOIN pg_proc p ON p.oid = t.tgfoid
WHERE p.pronamespace = to_regnamespace('mover') AND starts_with(p.proname, $1)
  AND substr(p.proname, length($1) + 1) ~ '^[0-9a-f]{16}_(insert|update|delete|truncate)$'
