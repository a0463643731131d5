-- The latest campaigns, the newest first; or only one.
SELECT c.id, c.migration, c.aim, c.selection, c.phase, c.concurrency, c.sleep_time_ms, c.pace_ms, c.error_halts,
       c.failures_max, c.node, c.reason, c.claimed, c.migrated, c.failed, c.opened_at, c.ended_at,
       n.name AS node_name, n.alive AS node_alive
FROM mover.campaign c
JOIN mover.node_liveness n ON n.id = c.node
WHERE $2::bigint IS NULL OR c.id = $2
ORDER BY c.id DESC
LIMIT $1
