-- A step begins, perhaps again; its earlier output is dropped, its campaign is kept.
INSERT INTO mover.runbook_step AS step (run, rollback, number, state, actor)
VALUES ($1, $2, $3, 'begun', $4)
ON CONFLICT (run, rollback, number) DO UPDATE
SET state = 'begun', told = '', actor = excluded.actor, begun_at = clock_timestamp(), ended_at = NULL
WHERE step.state IN ('begun', 'failed')
