-- Transactions that may have written to these tables and have not ended, or that wait to: those with a lock that a writer or a
-- SELECT ... FOR UPDATE takes, on a table or one of its partitions. A prepared transaction has no process. Mover's own sessions
-- (see session.sql) move other orgs.
WITH watched (oid) AS (
    SELECT unnest($1::oid[])
    UNION
    SELECT tree.relid FROM unnest($1::oid[]) AS root CROSS JOIN LATERAL pg_partition_tree(root) tree
)
SELECT DISTINCT l.virtualtransaction AS transaction, l.pid
FROM pg_locks l
WHERE l.locktype = 'relation'
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  AND l.relation IN (SELECT oid FROM watched)
  AND l.mode IN ('RowShareLock', 'RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND NOT EXISTS (
      SELECT FROM pg_locks own
      WHERE own.locktype = 'advisory' AND own.classid = 1297045075 AND own.objid = 0 AND own.objsubid = 2
        AND own.database = l.database AND own.pid = l.pid
  )
