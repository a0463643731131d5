-- From now on the writes of the org are logged, unless it lives elsewhere or somebody newer was here: then no row comes back.
INSERT INTO mover.org_guard AS guard (migration, org_key, mode, epoch)
VALUES ($1, $2, 'capturing', $3)
ON CONFLICT (migration, org_key) DO UPDATE
SET mode = 'capturing', mode_before = guard.mode, epoch = excluded.epoch, changed_at = now()
WHERE guard.epoch <= excluded.epoch AND guard.mode IN ('settled', 'capturing')
RETURNING guard.mode
