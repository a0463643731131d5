-- Where the org stands in this snapshot, and what the snapshot sees.
SELECT mode, epoch, pg_current_snapshot()::text AS snapshot FROM mover.org_guard WHERE migration = $1 AND org_key = $2
