SELECT pg_advisory_lock(mover.org_lock($1, $2))
