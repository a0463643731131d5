-- The orgs live here now; returns the orgs whose rows were changed. $4 is capturing (their writes are logged, so that there is
-- a way back) or settled; $5 is the mode before.
UPDATE mover.org_guard guard
SET mode = $4, mode_before = guard.mode, epoch = claimed.epoch, changed_at = now()
FROM unnest($2::text[], $3::bigint[]) AS claimed (org_key, epoch)
WHERE guard.migration = $1 AND guard.org_key = ANY ($2) AND guard.org_key = claimed.org_key
  AND guard.epoch <= claimed.epoch AND guard.mode IN ($4, $5)
RETURNING guard.org_key
