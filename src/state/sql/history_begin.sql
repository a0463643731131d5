-- A command that is carried out now, or waits for somebody else to agree.
INSERT INTO mover.command_history (actor, door, origin, command, waits) VALUES ($1, $2, $3, $4, $5) RETURNING id
