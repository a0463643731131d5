-- Notes what was found behind a store, unless it is another one than before.
INSERT INTO mover.store_seen AS seen (migration, store, system, timeline, database_oid, newest_epoch)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (migration, store) DO UPDATE
SET newest_epoch = greatest(seen.newest_epoch, excluded.newest_epoch), seen_at = now()
WHERE (seen.system, seen.timeline, seen.database_oid) = (excluded.system, excluded.timeline, excluded.database_oid)
