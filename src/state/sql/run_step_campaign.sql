UPDATE mover.runbook_step SET campaign = $4 WHERE run = $1 AND rollback = $2 AND number = $3
