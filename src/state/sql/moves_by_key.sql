-- The moves of these orgs in one migration; no row for an unknown org.
SELECT m.id, m.migration, m.org_name, m.org_key, m.strategy, m.aim, m.state, m.step, m.epoch, m.campaign, m.attempts,
       m.verified, m.failure, m.backup, m.backup_sum
FROM mover.org_migration_state m
WHERE m.migration = $1 AND m.org_key = ANY ($2::text[])
