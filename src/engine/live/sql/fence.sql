-- Returns the standing of the orgs, and refuses older epochs from now on; `changed_at` stays the time of the mode. An org with a newer epoch is not returned.
INSERT INTO mover.org_guard AS guard (migration, org_key, mode, epoch)
SELECT $1, claimed.org_key, 'settled', claimed.epoch
FROM unnest($2::text[], $3::bigint[]) AS claimed (org_key, epoch)
ORDER BY claimed.org_key COLLATE "C"
ON CONFLICT (migration, org_key) DO UPDATE
SET epoch = excluded.epoch
WHERE guard.epoch <= excluded.epoch
RETURNING org_key, mode
