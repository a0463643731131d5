-- The result of a command.
UPDATE mover.command_history
SET ended_at = clock_timestamp(), done = $2, told = $3, answer = $4, campaign = $5
WHERE id = $1
