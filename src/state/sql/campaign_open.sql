-- A new campaign.
INSERT INTO mover.campaign AS c (
    migration, aim, selection, claimed_max, concurrency, sleep_time_ms, pace_ms, error_halts, failures_max, node
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
RETURNING c.id, c.migration, c.aim, c.selection, c.phase, c.concurrency, c.sleep_time_ms, c.pace_ms, c.error_halts,
          c.failures_max, c.node, c.reason, c.claimed, c.migrated, c.failed
