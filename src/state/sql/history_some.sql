-- The commands with these numbers, without their answers.
SELECT id, at, actor, door, origin, command, ended_at, done, told, NULL::jsonb AS answer, campaign, waits, approved, approved_by, approved_at
FROM mover.command_history
WHERE id = ANY($1)
