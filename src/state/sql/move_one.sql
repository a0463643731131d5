-- One move with details for operators.
SELECT m.id, m.migration, m.org_name, m.org_key, m.strategy, m.aim, m.state, m.step, m.epoch, m.campaign, m.attempts,
       m.verified, m.failure, m.backup, m.backup_sum, m.node, m.rows, m.bytes, m.captured_at, m.updated_at, m.closed_at, m.opened_at,
       m.finished_at
FROM mover.org_migration_state m
WHERE m.id = $1
