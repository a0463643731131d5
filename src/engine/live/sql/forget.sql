-- Entries that a snapshot saw have been carried over; answers how many were logged since. Somebody newer is not disturbed.
WITH forgotten AS (
    DELETE FROM mover.change_log
    WHERE migration = $1 AND org_key = $2 AND pg_visible_in_snapshot(xid, $3::text::pg_snapshot)
      AND EXISTS (SELECT FROM mover.org_guard g WHERE g.migration = $1 AND g.org_key = $2 AND g.epoch <= $4)
)
SELECT count(*) FROM mover.change_log
WHERE migration = $1 AND org_key = $2 AND NOT pg_visible_in_snapshot(xid, $3::text::pg_snapshot)
