-- Orgs, rows and bytes that a campaign has migrated.
SELECT count(*) AS orgs,
       coalesce(sum(s.rows), 0)::bigint AS rows,
       coalesce(sum(s.bytes), 0)::bigint AS bytes
FROM mover.org_migration_state s
WHERE s.migration = $1 AND s.campaign = $2 AND s.state IN ('migrated', 'rolled_back', 'finalized') AND s.verified IS NOT NULL
