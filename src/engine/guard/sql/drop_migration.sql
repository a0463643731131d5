-- Forgets a migration in this store.
WITH forgotten AS (DELETE FROM mover.change_log WHERE migration = $1),
     ranges AS (DELETE FROM mover.copy_range WHERE migration = $1)
DELETE FROM mover.org_guard WHERE migration = $1
