-- How many orgs a migration has.
SELECT count(*) FROM mover.org_migration_state m WHERE m.migration = $1
