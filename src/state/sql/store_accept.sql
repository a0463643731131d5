-- Notes what was found behind a store, whatever it was before.
INSERT INTO mover.store_seen AS seen (migration, store, system, timeline, database_oid, newest_epoch)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (migration, store) DO UPDATE
SET system = excluded.system, timeline = excluded.timeline, database_oid = excluded.database_oid,
    newest_epoch = excluded.newest_epoch, seen_at = now()
