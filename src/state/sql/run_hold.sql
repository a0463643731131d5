-- Somebody carries a run out from now on; again, if nobody else has done so since.
UPDATE mover.runbook_run SET holder = $2 WHERE id = $1 AND (NOT $3 OR holder = $2)
