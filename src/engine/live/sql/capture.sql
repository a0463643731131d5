-- Starts logging the writes of these orgs, unless they live elsewhere or their row has a newer epoch: then they are not
-- returned.
INSERT INTO mover.org_guard AS guard (migration, org_key, mode, epoch)
SELECT $1, claimed.org_key, 'capturing', claimed.epoch
FROM unnest($2::text[], $3::bigint[]) AS claimed (org_key, epoch)
ORDER BY claimed.org_key COLLATE "C"
ON CONFLICT (migration, org_key) DO UPDATE
SET mode = 'capturing', mode_before = guard.mode, epoch = excluded.epoch, changed_at = now()
WHERE guard.epoch <= excluded.epoch AND guard.mode IN ('settled', 'capturing')
RETURNING org_key, mode
