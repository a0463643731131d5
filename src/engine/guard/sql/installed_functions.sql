-- The functions of a migration: their names begin with $1.
SELECT format('%I.%I()', 'mover', p.proname)
FROM pg_proc p
WHERE p.pronamespace = to_regnamespace('mover') AND starts_with(p.proname, $1)
  AND substr(p.proname, length($1) + 1) ~ '^[0-9a-f]{16}_(insert|update|delete|truncate)$'
ORDER BY 1
