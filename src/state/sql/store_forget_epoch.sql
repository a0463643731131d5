-- The migration has left the store: the epochs that it had there are gone with its guard.
UPDATE mover.store_seen SET newest_epoch = 0, seen_at = now() WHERE migration = $1 AND store = $2
