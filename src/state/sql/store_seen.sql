-- What was last found behind a store.
SELECT s.system, s.timeline, s.database_oid, s.newest_epoch FROM mover.store_seen s WHERE s.migration = $1 AND s.store = $2
