UPDATE mover.runbook_run
SET done_at = CASE WHEN $2 THEN done_at ELSE now() END, undone_at = CASE WHEN $2 THEN now() ELSE undone_at END
WHERE id = $1
