-- The valid tokens.
SELECT id, name, role, created_at, created_by, expires_at, revoked_at, revoked_by, hash
FROM mover.token
WHERE revoked_at IS NULL AND coalesce(expires_at > now(), true)
