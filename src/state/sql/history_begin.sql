-- A new command, which is carried out now or waits for approval.
INSERT INTO mover.command_history (actor, door, origin, command, waits) VALUES ($1, $2, $3, $4, $5) RETURNING id
