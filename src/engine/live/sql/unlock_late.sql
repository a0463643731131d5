-- Releases the lock if it was granted although the wait for it had timed out.
SELECT pg_advisory_unlock(mover.org_lock($1, $2))
FROM pg_locks l
WHERE l.pid = pg_backend_pid() AND l.locktype = 'advisory' AND l.objsubid = 1 AND l.mode = 'ExclusiveLock' AND l.granted
  AND ((l.classid::bigint << 32) | l.objid::bigint) = mover.org_lock($1, $2)
