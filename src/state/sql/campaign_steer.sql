-- Changes the given settings of the live campaign. A halting campaign stays halting.
WITH live AS (
    SELECT c.id, c.phase FROM mover.campaign c WHERE c.phase <> 'ended' FOR UPDATE
), steered AS (
    UPDATE mover.campaign c
    SET phase = coalesce($1::text, c.phase),
        concurrency = coalesce($2::bigint, c.concurrency),
        sleep_time_ms = coalesce($3::bigint, c.sleep_time_ms),
        pace_ms = coalesce($4::bigint, c.pace_ms),
        reason = CASE WHEN $1::text = 'running' THEN $5::text ELSE coalesce($5::text, c.reason) END
    FROM live
    WHERE c.id = live.id AND (live.phase <> 'halting' OR $1::text IS NULL OR $1::text = 'halting')
    RETURNING c.*
)
SELECT s.id IS NOT NULL AS steered, live.id AS live_id, s.id, s.migration, s.aim, s.selection, s.phase, s.concurrency,
       s.sleep_time_ms, s.pace_ms, s.error_halts, s.failures_max, s.node, s.reason, s.claimed, s.migrated, s.failed
FROM live
LEFT JOIN steered s ON s.id = live.id
