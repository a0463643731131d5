-- Writes many transitions, each only if its move is still in the state where the transition begins and has its epoch; returns
-- for each whether it was written, now or before with this epoch, and whether the statement's snapshot still allowed it.
WITH asked AS (
    SELECT *
    FROM unnest(
        $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[], $9::jsonb[],
        $10::bigint[], $11::bigint[], $12::timestamptz[], $13::timestamptz[], $14::text[], $15::text[]
    ) WITH ORDINALITY AS a (
        id, epoch, from_state, from_step, to_state, to_step, verified, failure,
        rows, bytes, closed_at, opened_at, backup, backup_sum, place
    )
), moved AS (
    UPDATE mover.org_migration_state m
    SET state = a.to_state,
        step = a.to_step,
        verified = CASE WHEN a.to_state <> 'failed' THEN coalesce(a.verified, m.verified) END,
        -- An abort that goes back to the switch has found that nothing failed.
        failure = CASE WHEN a.from_step IS DISTINCT FROM 'abort' OR a.to_state <> 'started'
            THEN coalesce(a.failure, m.failure) END,
        rows = coalesce(a.rows, m.rows),
        bytes = coalesce(a.bytes, m.bytes),
        closed_at = coalesce(a.closed_at, m.closed_at),
        opened_at = coalesce(a.opened_at, m.opened_at),
        backup = coalesce(a.backup, m.backup),
        backup_sum = CASE WHEN a.backup IS NULL THEN m.backup_sum ELSE a.backup_sum END,
        updated_at = now(),
        finished_at = CASE WHEN a.to_state <> 'started' THEN now() END
    FROM asked a
    WHERE m.id = ANY ($2::bigint[])
      AND m.id = a.id
      AND m.epoch = a.epoch
      AND m.state = a.from_state
      AND m.step IS NOT DISTINCT FROM a.from_step
    RETURNING m.campaign, a.*
), noted AS (
    INSERT INTO mover.org_migration_event (move_id, epoch, node, from_state, from_step, to_state, to_step, detail)
    SELECT w.id, w.epoch, $1, w.from_state, w.from_step, w.to_state, w.to_step,
           CASE
               WHEN w.failure IS NOT NULL THEN jsonb_build_object('failure', w.failure)
               WHEN w.backup IS NOT NULL THEN jsonb_build_object('backup', w.backup, 'rows', w.rows, 'sum', w.backup_sum)
               WHEN w.rows IS NOT NULL THEN jsonb_build_object('rows', w.rows, 'bytes', w.bytes)
           END
    FROM moved w
), counted AS (
    UPDATE mover.campaign c
    SET migrated = c.migrated + ended.migrated, failed = c.failed + ended.failed
    FROM (
        SELECT w.campaign,
               count(*) FILTER (WHERE w.from_step <> 'abort') AS migrated,
               count(*) FILTER (WHERE w.from_step = 'abort') AS failed
        FROM moved w
        WHERE w.to_state <> 'started'
        GROUP BY w.campaign
    ) ended
    WHERE c.id = ended.campaign
)
SELECT w.id IS NOT NULL
           OR (
               SELECT true FROM mover.org_migration_event e
               WHERE e.move_id = a.id
                 AND e.epoch = a.epoch
                 AND e.from_state = a.from_state
                 AND e.from_step IS NOT DISTINCT FROM a.from_step
                 AND e.to_state = a.to_state
                 AND e.to_step IS NOT DISTINCT FROM a.to_step
               LIMIT 1
           ) IS NOT NULL AS written,
       m.id IS NOT NULL AS known,
       coalesce(m.epoch = a.epoch AND m.state = a.from_state AND m.step IS NOT DISTINCT FROM a.from_step, false) AS open
FROM asked a
LEFT JOIN moved w ON w.place = a.place
LEFT JOIN mover.org_migration_state m ON m.id = ANY ($2::bigint[]) AND m.id = a.id
ORDER BY a.place
