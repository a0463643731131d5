-- Revokes a token.
UPDATE mover.token SET revoked_at = now(), revoked_by = $2 WHERE name = $1 AND revoked_at IS NULL RETURNING id
