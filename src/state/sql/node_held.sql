-- The moves that a node has in flight.
SELECT s.id FROM mover.org_migration_state s WHERE s.state = 'started' AND s.node = $1 ORDER BY s.id LIMIT $2
