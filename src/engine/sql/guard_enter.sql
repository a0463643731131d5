-- Puts an org into a mode that is not final, unless it lives here or somebody newer was here: then no row comes back.
-- `settled` with epoch 0 is no decision: a writer with a snapshot left the row, or it was listed when the guard was installed.
-- The mode it had is kept in the row, so that it is known without a look beforehand that could be outdated.
INSERT INTO mover.org_guard AS guard (migration, org_key, mode, epoch)
VALUES ($1, $2, $3, $4)
ON CONFLICT (migration, org_key) DO UPDATE
SET mode = excluded.mode, mode_before = guard.mode, epoch = excluded.epoch, changed_at = now()
WHERE guard.epoch <= excluded.epoch AND (guard.mode NOT IN ('settled', 'capturing') OR guard.mode = 'settled' AND guard.epoch = 0)
RETURNING mode_before
