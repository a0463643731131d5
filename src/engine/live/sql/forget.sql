-- Deletes entries that a snapshot saw and that have been carried over; returns how many were logged since. A newer epoch is not
-- disturbed.
WITH ours AS (
    SELECT claimed.org_key
    FROM unnest($2::text[], $3::bigint[]) AS claimed (org_key, epoch)
    WHERE (SELECT g.epoch FROM mover.org_guard g WHERE g.migration = $1 AND g.org_key = claimed.org_key) <= claimed.epoch
),
forgotten AS (
    DELETE FROM mover.change_log
    WHERE migration = $1 AND org_key = ANY (ARRAY(SELECT ours.org_key FROM ours))
      AND pg_visible_in_snapshot(xid, $4::text::pg_snapshot)
)
SELECT count(*) FROM mover.change_log
WHERE migration = $1 AND org_key = ANY ($2) AND NOT pg_visible_in_snapshot(xid, $4::text::pg_snapshot)
