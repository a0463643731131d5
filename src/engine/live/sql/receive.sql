-- The org lives here: $4 is capturing (its writes are logged, so that there is a way back) or settled.
UPDATE mover.org_guard
SET mode = $4, mode_before = mode, epoch = $3, changed_at = now()
WHERE migration = $1 AND org_key = $2 AND epoch <= $3 AND mode IN ($4, $5)
