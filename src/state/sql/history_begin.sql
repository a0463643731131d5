-- A command that is carried out now.
INSERT INTO mover.command_history (actor, door, command) VALUES ($1, $2, $3) RETURNING id
