-- Takes the locks that are free; returns for each org whether it got the lock.
SELECT asked.number, pg_try_advisory_lock(mover.org_lock($1, asked.org_key))
FROM unnest($2::text[]) WITH ORDINALITY AS asked (org_key, number)
