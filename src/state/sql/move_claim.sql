-- Claims ready orgs for a campaign that migrates. Its row is locked, so that its counts limit concurrent claims. Touched orgs
-- come first. $4 has the first step for each aim and strategy. One of `in_order` and `by_name` is empty and costs nothing. The
-- planner assumes a tenth of the table for a limit that is unknown at planning time; the scalar subquery and the array keep the
-- plan to the few rows that there are.
WITH open AS (
    SELECT c.id, c.migration, c.selection ? 'names' AS named,
           least($3::bigint, coalesce(c.claimed_max - c.claimed, $3::bigint)) AS room
    FROM mover.campaign c
    WHERE c.id = $1 AND c.phase = 'running' AND c.aim = 'migrate'
    FOR UPDATE
), in_order AS (
    SELECT m.id
    FROM mover.org_migration_state m
    WHERE m.migration = (SELECT open.migration FROM open WHERE NOT open.named)
      AND m.state = 'ready'
      AND (
          SELECT true FROM mover.org_migration_state o WHERE o.org_name = m.org_name AND o.state = 'started'
      ) IS NULL
    ORDER BY m.id
    LIMIT (SELECT open.room FROM open)
    FOR UPDATE OF m SKIP LOCKED
), touched AS (
    SELECT m.id
    FROM mover.org_migration_state m
    WHERE m.migration = (SELECT open.migration FROM open WHERE NOT open.named)
      AND m.state = 'ready'
      AND m.touched_at IS NOT NULL
      AND (
          SELECT true FROM mover.org_migration_state o WHERE o.org_name = m.org_name AND o.state = 'started'
      ) IS NULL
    ORDER BY m.touched_at
    LIMIT (SELECT open.room FROM open)
    FOR UPDATE OF m SKIP LOCKED
), by_name AS (
    SELECT m.id
    FROM mover.org_migration_state m
    WHERE m.chosen_by = (SELECT open.id FROM open WHERE open.named)
      AND m.state = 'ready'
      AND (
          SELECT true FROM mover.org_migration_state o WHERE o.org_name = m.org_name AND o.state = 'started'
      ) IS NULL
    ORDER BY m.id
    LIMIT (SELECT open.room FROM open)
    FOR UPDATE OF m SKIP LOCKED
), claimed AS (
    UPDATE mover.org_migration_state m
    SET state = 'started',
        step = $4::jsonb -> 'migrate' ->> m.strategy,
        epoch = nextval('mover.epoch_seq'),
        node = $2,
        campaign = $1,
        attempts = m.attempts + 1,
        updated_at = now()
    WHERE m.id = ANY (ARRAY(
        SELECT chosen.id
        FROM (
            SELECT 0 AS place, touched.id FROM touched
            UNION ALL
            SELECT 1, in_order.id FROM in_order WHERE in_order.id NOT IN (SELECT touched.id FROM touched)
            UNION ALL
            SELECT 1, by_name.id FROM by_name
        ) chosen
        ORDER BY chosen.place, chosen.id
        LIMIT (SELECT open.room FROM open)
    ))
    RETURNING m.*
), noted AS (
    INSERT INTO mover.org_migration_event (move_id, epoch, node, from_state, to_state, to_step, detail)
    SELECT c.id, c.epoch, c.node, 'ready', c.state, c.step, jsonb_build_object('campaign', c.campaign)
    FROM claimed c
), counted AS (
    UPDATE mover.campaign
    SET claimed = campaign.claimed + (SELECT count(*) FROM claimed)
    WHERE campaign.id = $1 AND EXISTS (SELECT FROM claimed)
)
SELECT c.id, c.migration, c.org_name, c.org_key, c.strategy, c.aim, c.state, c.step, c.epoch, c.campaign, c.attempts,
       c.verified, c.failure, c.backup, c.backup_sum
FROM claimed c
ORDER BY c.id
