UPDATE mover.runbook_step SET state = $4, told = $5, actor = $6, ended_at = clock_timestamp()
WHERE run = $1 AND rollback = $2 AND number = $3
