-- A new owner of a run; again, if there was no other owner since.
UPDATE mover.runbook_run SET holder = $2 WHERE id = $1 AND (NOT $3 OR holder = $2)
