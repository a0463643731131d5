-- Whether the store keeps anything of a migration.
SELECT EXISTS (SELECT FROM mover.org_guard g WHERE g.migration = $1)
