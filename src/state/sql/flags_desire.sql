-- Changes desired flags. A move's row is locked while its epoch is checked, so that no other node takes the move over in
-- between. The new base consists of, from lowest to highest priority: "must not exist" for each field of the overlay, the
-- former base, the values found in Redis (only where they can be an operator's own), and the requested values.
WITH asked AS (
    SELECT *
    FROM unnest(
        $1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::jsonb[], $6::jsonb[], $7::jsonb[], $8::jsonb[]
    ) WITH ORDINALITY AS a (key, move_id, claim_epoch, found_epoch, found, absent, base, overlay, place)
), held AS (
    -- The state is compared below: as a condition here it has the planner read the index of all orgs in flight.
    SELECT m.id, m.epoch, m.state
    FROM mover.org_migration_state m
    WHERE m.id = ANY ($2::bigint[])
    FOR SHARE
), allowed AS (
    SELECT a.*
    FROM asked a
    WHERE a.move_id IS NULL
       OR EXISTS (SELECT FROM held WHERE held.id = a.move_id AND held.epoch = a.claim_epoch AND held.state = 'started')
), changed AS (
    UPDATE mover.desired_flags f
    SET base = a.absent || f.base
            || CASE WHEN f.overlay = '{}' AND f.epoch = a.found_epoch THEN a.found ELSE '{}' END
            || a.base,
        overlay = coalesce(a.overlay, f.overlay),
        epoch = nextval('mover.epoch_seq')
    FROM allowed a
    WHERE f.key = ANY ($1::text[]) AND f.key = a.key
    RETURNING f.key, f.epoch, f.base || f.overlay AS fields
), added AS (
    INSERT INTO mover.desired_flags AS f (key, base, overlay, epoch)
    SELECT a.key, a.absent || a.found || a.base, coalesce(a.overlay, '{}'), nextval('mover.epoch_seq')
    FROM allowed a
    WHERE (SELECT true FROM mover.desired_flags f WHERE f.key = a.key) IS NULL
    ON CONFLICT (key) DO NOTHING
    RETURNING f.key, f.epoch, f.base || f.overlay AS fields
)
SELECT EXISTS (SELECT FROM allowed WHERE allowed.place = a.place) AS allowed, w.epoch, w.fields
FROM asked a
LEFT JOIN (SELECT * FROM changed UNION ALL SELECT * FROM added) w ON w.key = a.key
ORDER BY a.place
