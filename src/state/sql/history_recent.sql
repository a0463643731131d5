-- The latest commands.
SELECT id, at, actor, door, command, ended_at, done, told FROM mover.command_history ORDER BY id DESC LIMIT $1
