-- The standing of the orgs in this snapshot, and what the snapshot sees.
SELECT org_key, mode, epoch, pg_current_snapshot()::text AS snapshot
FROM mover.org_guard WHERE migration = $1 AND org_key = ANY ($2::text[])
