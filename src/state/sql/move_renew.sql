-- Gives a started move a new epoch, if this node still owns it with the given one. No row: it does not, or the epoch was
-- renewed already and the answer was lost.
WITH renewed AS (
    UPDATE mover.org_migration_state m
    SET epoch = nextval('mover.epoch_seq'), updated_at = now()
    WHERE m.id = $1 AND m.node = $2 AND m.epoch = $3 AND m.state = 'started'
    RETURNING m.*
), noted AS (
    INSERT INTO mover.org_migration_event (move_id, epoch, node, from_state, from_step, to_state, to_step, detail)
    SELECT r.id, r.epoch, r.node, r.state, r.step, r.state, r.step, jsonb_build_object('renewed_from', $3::bigint)
    FROM renewed r
)
SELECT r.epoch FROM renewed r
