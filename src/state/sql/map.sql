-- Every org of a migration and its state.
SELECT m.id, m.state FROM mover.org_migration_state m WHERE m.migration = $1 ORDER BY m.id
