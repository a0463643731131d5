-- The latest runs, of one title if it is given.
SELECT id, title, file, source, variables, begun_by, begun_at, done_at, undone_at
FROM mover.runbook_run
WHERE $1::text IS NULL OR title = $1
ORDER BY id DESC
LIMIT $2
