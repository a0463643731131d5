-- What came of a command.
UPDATE mover.command_history SET ended_at = clock_timestamp(), done = $2, told = $3 WHERE id = $1
