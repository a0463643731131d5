-- A step has given a command.
UPDATE mover.runbook_step SET command = $4 WHERE run = $1 AND rollback = $2 AND number = $3 AND state = 'begun'
