-- One org in every migration that knows it.
SELECT m.id, m.migration, m.org_name, m.org_key, m.strategy, m.aim, m.state, m.step, m.epoch, m.campaign, m.attempts,
       m.verified, m.failure, m.backup, m.backup_sum, m.node, m.rows, m.bytes, m.captured_at, m.updated_at, m.closed_at, m.opened_at,
       m.finished_at
FROM unnest($2::text[]) AS known (migration)
JOIN mover.org_migration_state m ON m.migration = known.migration AND m.org_name = $1
ORDER BY m.id
