-- The history of one org in one migration, the oldest event first. One row without an event if there is none yet.
SELECT m.captured_at, e.at, e.epoch, e.from_state, e.from_step, e.to_state, e.to_step, e.actor, e.detail,
       n.name AS node_name
FROM mover.org_migration_state m
LEFT JOIN mover.org_migration_event e ON e.move_id = m.id
LEFT JOIN mover.node n ON n.id = e.node
WHERE m.migration = $1 AND m.org_name = $2
ORDER BY e.id
