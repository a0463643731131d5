-- The live campaign, locked, and whether its node is alive.
SELECT c.id, c.migration, n.name AS node_name, n.alive
FROM mover.campaign c
JOIN mover.node_liveness n ON n.id = c.node
WHERE c.phase <> 'ended'
FOR UPDATE OF c
