-- Renews the lease.
UPDATE mover.node
SET lease_until = now() + $2::float8 * interval '1 millisecond'
WHERE id = $1 AND left_at IS NULL
