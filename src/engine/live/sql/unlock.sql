SELECT pg_advisory_unlock(mover.org_lock($1, $2))
