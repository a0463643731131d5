-- Every node with its number of moves, and how many of these only wait for the copy of an org that was rolled back to be removed.
SELECT n.id, n.name, n.alive, n.lease_until, n.joined_at, n.left_at, coalesce(held.moves, 0) AS moves, coalesce(held.copies, 0) AS copies
FROM mover.node_liveness n
LEFT JOIN (
    SELECT m.node, count(*) AS moves, count(*) FILTER (WHERE m.step = 'discard') AS copies FROM mover.org_migration_state m WHERE m.state = 'started' GROUP BY m.node
) held ON held.node = n.id
ORDER BY n.id
