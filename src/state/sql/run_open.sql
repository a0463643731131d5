-- A new run of a runbook.
INSERT INTO mover.runbook_run (title, file, source, variables, begun_by)
VALUES ($1, $2, $3, $4, $5)
RETURNING id, title, file, source, variables, begun_by, begun_at, done_at, undone_at
