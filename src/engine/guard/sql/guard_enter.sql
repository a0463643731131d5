-- Puts orgs into a mode that is not final, unless they live here or their row has a newer epoch: then they are not returned.
-- `settled` with epoch 0 is no decision: a writer with a snapshot left the row, or it was listed when the guard was installed.
-- The row keeps the mode before, so no earlier read is needed, which could be outdated.
INSERT INTO mover.org_guard AS guard (migration, org_key, mode, epoch)
SELECT $1, claimed.org_key, $4, claimed.epoch
FROM unnest($2::text[], $3::bigint[]) AS claimed (org_key, epoch)
ORDER BY claimed.org_key COLLATE "C"
ON CONFLICT (migration, org_key) DO UPDATE
SET mode = excluded.mode, mode_before = guard.mode, epoch = excluded.epoch, changed_at = now()
WHERE guard.epoch <= excluded.epoch AND (guard.mode NOT IN ('settled', 'capturing') OR guard.mode = 'settled' AND guard.epoch = 0)
RETURNING org_key, mode_before
