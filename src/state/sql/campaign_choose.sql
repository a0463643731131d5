-- Marks the orgs that a campaign names, so that its claims find them without reading the names again.
UPDATE mover.org_migration_state SET chosen_by = $1 WHERE migration = $2 AND org_name = ANY ($3::text[])
