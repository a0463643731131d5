-- The commands that wait for approval, or those before one.
SELECT id, at, actor, door, origin, command, ended_at, done, told, NULL::jsonb AS answer, campaign, waits, approved, approved_by, approved_at
FROM mover.command_history
WHERE waits AND approved IS NULL AND ended_at IS NULL AND id < coalesce($2, 9223372036854775807)
ORDER BY id DESC
LIMIT $1
