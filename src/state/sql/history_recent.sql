-- The latest commands, those before one if it is given.
SELECT id, at, actor, door, origin, command, ended_at, done, told, answer, campaign, waits, approved, approved_by
FROM mover.command_history
WHERE id < coalesce($2, 9223372036854775807)
ORDER BY id DESC
LIMIT $1
