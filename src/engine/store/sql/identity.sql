-- After the system identifier: the timeline, which changes when a standby takes over or a backup is replayed (0 on a standby), and
-- the number of the database, which changes when it is created anew.
CASE WHEN pg_is_in_recovery() THEN 0
     ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint END AS timeline,
(SELECT d.oid::bigint FROM pg_database d WHERE d.datname = current_database()) AS database_oid
