-- Orgs whose writers are blocked by a move that is under way.
SELECT m.org_name, m.migration, m.step, m.strategy, m.closed_at
FROM mover.org_migration_state m
WHERE m.state = 'started' AND m.closed_at IS NOT NULL AND m.opened_at IS NULL
ORDER BY m.closed_at
LIMIT $1
