-- Makes the rows of the orgs live; returns which orgs. Repeating it is harmless.
UPDATE mover.org_guard guard
SET mode = 'settled', mode_before = guard.mode, epoch = claimed.epoch, changed_at = now()
FROM unnest($2::text[], $3::bigint[]) AS claimed (org_key, epoch)
WHERE guard.migration = $1 AND guard.org_key = ANY ($2) AND guard.org_key = claimed.org_key
  AND guard.epoch <= claimed.epoch AND guard.mode IN ('incoming', 'settled')
RETURNING guard.org_key
