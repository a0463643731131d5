-- Every token, revoked ones too.
SELECT id, name, role, created_at, created_by, expires_at, revoked_at, revoked_by FROM mover.token ORDER BY id
