-- A node takes over the live campaign of a dead one, and continues it.
UPDATE mover.campaign c
SET node = $1, phase = 'running', reason = NULL
FROM mover.node_liveness n
WHERE c.phase <> 'ended' AND n.id = c.node AND NOT n.alive
RETURNING c.id, c.migration, c.aim, c.selection, c.phase, c.concurrency, c.sleep_time_ms, c.pace_ms, c.error_halts,
          c.failures_max, c.node, c.reason, c.claimed, c.migrated, c.failed
