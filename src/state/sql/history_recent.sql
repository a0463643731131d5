-- The latest commands, or those before one; only the first lines of their answers.
SELECT id, at, actor, door, origin, command, ended_at, done, told, NULL::jsonb AS answer, campaign, waits, approved, approved_by, approved_at
FROM mover.command_history
WHERE id < coalesce($2, 9223372036854775807)
ORDER BY id DESC
LIMIT $1
