-- Renames a started org in every migration that knows it by its name and key, and moves its desired flags to the new name: the
-- fields of the former hash must not exist any more. Answers nothing if the move has another owner; a repetition finds the new
-- name, and changes nothing.
WITH held AS (
    SELECT m.id, m.org_name, m.org_key
    FROM mover.org_migration_state m
    WHERE m.id = $1 AND m.epoch = $2 AND m.state = 'started'
    FOR UPDATE
), renamed AS (
    UPDATE mover.org_migration_state m
    SET org_name = $3
    FROM held
    WHERE m.org_name = held.org_name AND m.org_key = held.org_key AND held.org_name <> $3
    RETURNING m.id, m.epoch, m.state, m.step, held.org_name AS former
), noted AS (
    INSERT INTO mover.org_migration_event (move_id, epoch, from_state, from_step, to_state, to_step, detail)
    SELECT r.id, r.epoch, r.state, r.step, r.state, r.step, jsonb_build_object('former_name', r.former, 'name', $3::text)
    FROM renamed r
), former AS (
    SELECT f.key, f.base, f.overlay
    FROM held
    JOIN mover.desired_flags f ON f.key = 'dl_org_' || held.org_name
    WHERE held.org_name <> $3
), moved AS (
    INSERT INTO mover.desired_flags AS f (key, base, overlay, epoch)
    SELECT 'dl_org_' || $3::text, former.base, former.overlay, nextval('mover.epoch_seq')
    FROM former
    ON CONFLICT (key) DO UPDATE
    SET base = f.base || excluded.base, overlay = excluded.overlay, epoch = excluded.epoch
), left_behind AS (
    UPDATE mover.desired_flags f
    SET base = coalesce(
            (SELECT jsonb_object_agg(field.name, NULL) FROM jsonb_object_keys(former.base || former.overlay) AS field (name)),
            '{}'
        ),
        overlay = '{}',
        epoch = nextval('mover.epoch_seq')
    FROM former
    WHERE f.key = former.key
)
SELECT held.id FROM held
