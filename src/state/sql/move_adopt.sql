-- Takes over started moves without a living owner. Ordered by name, because that is the order of the index that has only
-- started moves.
WITH orphan AS (
    SELECT m.id, m.node
    FROM mover.org_migration_state m
    WHERE m.state = 'started'
      AND (m.node IS NULL
           OR (m.node <> $1 AND m.node NOT IN (SELECT n.id FROM mover.node_liveness n WHERE n.alive)))
    ORDER BY m.org_name
    LIMIT $2
    FOR UPDATE OF m SKIP LOCKED
), adopted AS (
    UPDATE mover.org_migration_state m
    SET node = $1, epoch = nextval('mover.epoch_seq'), attempts = m.attempts + 1, updated_at = now()
    FROM orphan
    -- The array tells the planner that these are few.
    WHERE m.id = orphan.id AND m.id = ANY (ARRAY(SELECT orphan.id FROM orphan))
    RETURNING m.*, orphan.node AS former
), noted AS (
    INSERT INTO mover.org_migration_event (move_id, epoch, node, from_state, from_step, to_state, to_step, detail)
    SELECT a.id, a.epoch, a.node, a.state, a.step, a.state, a.step, jsonb_build_object('taken_over_from', a.former)
    FROM adopted a
)
SELECT a.id, a.migration, a.org_name, a.org_key, a.strategy, a.aim, a.state, a.step, a.epoch, a.campaign, a.attempts,
       a.verified, a.failure, a.backup, a.backup_sum
FROM adopted a
ORDER BY a.id
