-- The point of no return: the orgs live here no longer. It also deletes the entries, all of which have been carried over. If
-- there is an entry that the snapshot did not see, or another epoch, nothing is changed. All orgs or none: if one is missing,
-- the division fails, and with it the statement.
WITH moved AS (
    UPDATE mover.org_guard guard
    SET mode = 'moved', mode_before = guard.mode, changed_at = now()
    FROM unnest($2::text[], $3::bigint[]) AS claimed (org_key, epoch)
    WHERE guard.migration = $1 AND guard.org_key = ANY ($2) AND guard.org_key = claimed.org_key
      AND guard.mode = 'capturing' AND guard.epoch = claimed.epoch
      AND NOT EXISTS (
          SELECT FROM mover.change_log l
          WHERE l.migration = $1 AND l.org_key = ANY ($2) AND NOT pg_visible_in_snapshot(l.xid, $4::text::pg_snapshot)
      )
    RETURNING guard.org_key
),
forgotten AS (
    DELETE FROM mover.change_log WHERE migration = $1 AND org_key = ANY (ARRAY(SELECT moved.org_key FROM moved))
)
SELECT count(*) / (count(*) = cardinality($2))::integer FROM moved
