-- The point of no return: the org does not live here any more. Together with it go the entries, all of which have been
-- carried over; with one left that the snapshot did not see, or under another claim, nothing is changed.
WITH moved AS (
    UPDATE mover.org_guard
    SET mode = 'moved', mode_before = mode, changed_at = now()
    WHERE migration = $1 AND org_key = $2 AND mode = 'capturing' AND epoch = $4
      AND NOT EXISTS (
          SELECT FROM mover.change_log l
          WHERE l.migration = $1 AND l.org_key = $2 AND NOT pg_visible_in_snapshot(l.xid, $3::text::pg_snapshot)
      )
    RETURNING 1
),
forgotten AS (
    DELETE FROM mover.change_log WHERE migration = $1 AND org_key = $2 AND EXISTS (SELECT FROM moved)
)
SELECT count(*) FROM moved
