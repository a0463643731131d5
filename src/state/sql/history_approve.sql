-- Another user approves or refuses a command. No row: it does not wait, or no longer.
UPDATE mover.command_history
SET approved = $2, approved_by = $3, approved_at = clock_timestamp(),
    ended_at = CASE WHEN $2 THEN NULL ELSE clock_timestamp() END,
    done = CASE WHEN $2 THEN NULL ELSE false END,
    told = CASE WHEN $2 THEN NULL ELSE 'not approved' END
WHERE id = $1 AND waits AND approved IS NULL AND ended_at IS NULL
RETURNING id
