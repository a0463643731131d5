SELECT id, title, file, source, variables, begun_by, begun_at, done_at, undone_at
FROM mover.runbook_run
WHERE id = $1
