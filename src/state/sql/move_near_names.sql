-- The names just before and just after an unknown one, from the index.
(SELECT m.org_name FROM mover.org_migration_state m
 WHERE m.migration = $1 AND m.org_name < $2 ORDER BY m.migration DESC, m.org_name DESC LIMIT 8)
UNION ALL
(SELECT m.org_name FROM mover.org_migration_state m
 WHERE m.migration = $1 AND m.org_name > $2 ORDER BY m.migration, m.org_name LIMIT 8)
