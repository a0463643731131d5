-- From now on the org's rows are live. Repeating it is harmless.
UPDATE mover.org_guard
SET mode = 'settled', mode_before = mode, epoch = $3, changed_at = now()
WHERE migration = $1 AND org_key = $2 AND epoch <= $3 AND mode IN ('incoming', 'settled')
