-- The node with this name, created if it is new.
INSERT INTO mover.node AS n (name, lease_until)
VALUES ($1, now() + $2::float8 * interval '1 millisecond')
ON CONFLICT (name) DO UPDATE SET lease_until = excluded.lease_until
RETURNING n.id
