-- One command.
SELECT id, at, actor, door, origin, command, ended_at, done, told, answer, campaign, waits, approved, approved_by, approved_at
FROM mover.command_history
WHERE id = $1
