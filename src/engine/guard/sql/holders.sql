-- Transactions that hold a table (its name in quotes) so that no trigger can be created on it, or, if $2, dropped from it:
-- readers prevent that, too. VACUUM and CREATE INDEX do not write, but conflict as well. Another Mover that creates or drops
-- triggers is done in a moment, and must not be terminated.
SELECT DISTINCT l.virtualtransaction AS transaction, l.pid
FROM pg_locks l
WHERE l.locktype = 'relation' AND l.granted
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  AND l.relation = to_regclass($1)
  AND ($2 OR l.mode NOT IN ('AccessShareLock', 'RowShareLock'))
  AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.pid NOT IN (
      SELECT g.pid FROM pg_locks g
      WHERE g.locktype = 'advisory' AND g.objsubid = 1 AND g.granted
        AND ((g.classid::bigint << 32) | g.objid::bigint) = hashtext('mover.guard')
  )
