-- The node is gone for good.
UPDATE mover.node SET left_at = now(), lease_until = now() WHERE id = $1 AND left_at IS NULL
