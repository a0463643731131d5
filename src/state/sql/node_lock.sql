-- Held as long as the process lives; see mover.node_liveness.
SELECT pg_advisory_lock(1297044070, $1)
