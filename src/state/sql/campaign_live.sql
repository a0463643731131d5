-- The live campaign.
SELECT c.id, c.migration, c.aim, c.selection, c.phase, c.concurrency, c.sleep_time_ms, c.pace_ms, c.error_halts,
       c.failures_max, c.node, c.reason, c.claimed, c.migrated, c.failed
FROM mover.campaign c
WHERE c.phase <> 'ended'
