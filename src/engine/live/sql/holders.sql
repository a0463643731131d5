-- Transactions that have written to the org and have not ended: they share the lock that a switch takes alone.
SELECT DISTINCT l.virtualtransaction AS transaction, l.pid
FROM pg_locks l
WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
  AND ((l.classid::bigint << 32) | l.objid::bigint) = mover.org_lock($1, $2)
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  AND l.pid IS DISTINCT FROM pg_backend_pid()
