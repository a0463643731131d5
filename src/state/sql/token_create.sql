-- A new token. No row: the name is taken.
INSERT INTO mover.token (name, hash, role, created_by, expires_at)
VALUES ($1, $2, $3, $4, now() + make_interval(days => $5))
ON CONFLICT (name) DO NOTHING
RETURNING id, name, role, created_at, created_by, expires_at, revoked_at, revoked_by
