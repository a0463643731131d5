-- Moves a ready org to the head of the queue.
UPDATE mover.org_migration_state m
SET touched_at = coalesce(m.touched_at, now())
WHERE m.migration = $1 AND m.org_name = $2 AND m.state = 'ready'
RETURNING m.id
