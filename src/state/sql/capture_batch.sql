-- Captures unknown orgs.
INSERT INTO mover.org_migration_state (migration, strategy, org_name, org_key)
SELECT $1, $2, asked.name, asked.key
FROM unnest($3::text[], $4::text[]) AS asked (name, key)
ON CONFLICT DO NOTHING
