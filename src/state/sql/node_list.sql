-- Every node with its number of moves.
SELECT n.id, n.name, n.alive, n.lease_until, n.joined_at, n.left_at, coalesce(held.moves, 0) AS moves
FROM mover.node_liveness n
LEFT JOIN (
    SELECT m.node, count(*) AS moves FROM mover.org_migration_state m WHERE m.state = 'started' GROUP BY m.node
) held ON held.node = n.id
ORDER BY n.id
