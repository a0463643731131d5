SELECT number, state, campaign, command, told, actor, begun_at, ended_at
FROM mover.runbook_step
WHERE run = $1 AND rollback = $2
ORDER BY number
