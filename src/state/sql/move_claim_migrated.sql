-- Claims migrated orgs for a campaign that rolls back or finalizes; otherwise like move_claim.sql.
WITH open AS (
    SELECT c.id, c.migration, c.aim, c.selection ? 'names' AS named,
           least($3::bigint, coalesce(c.claimed_max - c.claimed, $3::bigint)) AS room
    FROM mover.campaign c
    WHERE c.id = $1 AND c.phase = 'running' AND c.aim <> 'migrate'
    FOR UPDATE
), in_order AS (
    SELECT m.id
    FROM mover.org_migration_state m
    WHERE m.migration = (SELECT open.migration FROM open WHERE NOT open.named)
      AND m.state = 'migrated'
      AND $4::jsonb -> (SELECT open.aim FROM open) ? m.strategy
      -- An org whose move was aborted is where it was, and the same campaign does not claim it again.
      AND m.campaign IS DISTINCT FROM $1
      AND (
          SELECT true FROM mover.org_migration_state o WHERE o.org_name = m.org_name AND o.state = 'started'
      ) IS NULL
    ORDER BY m.id
    LIMIT (SELECT open.room FROM open)
    FOR UPDATE OF m SKIP LOCKED
), by_name AS (
    SELECT m.id
    FROM mover.org_migration_state m
    WHERE m.chosen_by = (SELECT open.id FROM open WHERE open.named)
      AND m.state = 'migrated'
      AND $4::jsonb -> (SELECT open.aim FROM open) ? m.strategy
      AND m.campaign IS DISTINCT FROM $1
      AND (
          SELECT true FROM mover.org_migration_state o WHERE o.org_name = m.org_name AND o.state = 'started'
      ) IS NULL
    ORDER BY m.id
    LIMIT (SELECT open.room FROM open)
    FOR UPDATE OF m SKIP LOCKED
), claimed AS (
    UPDATE mover.org_migration_state m
    SET state = 'started',
        aim = open.aim,
        step = $4::jsonb -> open.aim ->> m.strategy,
        epoch = nextval('mover.epoch_seq'),
        node = $2,
        campaign = $1,
        attempts = m.attempts + 1,
        failure = NULL,
        finished_at = NULL,
        closed_at = NULL,
        opened_at = NULL,
        updated_at = now()
    FROM open
    WHERE m.id = ANY (ARRAY(SELECT in_order.id FROM in_order UNION ALL SELECT by_name.id FROM by_name))
    RETURNING m.*
), noted AS (
    INSERT INTO mover.org_migration_event (move_id, epoch, node, from_state, to_state, to_step, detail)
    SELECT c.id, c.epoch, c.node, 'migrated', c.state, c.step,
           jsonb_build_object('campaign', c.campaign)
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
