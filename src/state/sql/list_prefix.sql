-- A page of a migration's moves in these states with a name prefix, in the order of names.
SELECT m.id, m.migration, m.org_name, m.org_key, m.strategy, m.aim, m.state, m.step, m.epoch, m.campaign, m.attempts,
       m.verified, m.failure, m.backup, m.backup_sum, m.node, m.rows, m.bytes, m.captured_at, m.updated_at, m.closed_at, m.opened_at,
       m.finished_at
FROM mover.org_migration_state m
WHERE m.migration = $1
  AND m.org_name >= $3 AND m.org_name < $3 || chr(1114111)
  AND m.org_name > $4
  AND m.state = ANY ($2)
ORDER BY m.org_name
LIMIT $5
