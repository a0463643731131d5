-- The run with the latest activity.
SELECT id, title, file, source, variables, begun_by, begun_at, done_at, undone_at
FROM mover.runbook_run r
ORDER BY greatest(r.begun_at, (
    SELECT max(greatest(s.begun_at, s.ended_at)) FROM mover.runbook_step s WHERE s.run = r.id
)) DESC, id DESC
LIMIT 1
