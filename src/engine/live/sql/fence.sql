-- Where the orgs stand, and that whoever comes with an older epoch is refused from now on. One is missing: somebody newer was here.
INSERT INTO mover.org_guard AS guard (migration, org_key, mode, epoch)
SELECT $1, claimed.org_key, 'settled', claimed.epoch
FROM unnest($2::text[], $3::bigint[]) AS claimed (org_key, epoch)
ORDER BY claimed.org_key COLLATE "C"
ON CONFLICT (migration, org_key) DO UPDATE
SET epoch = excluded.epoch, changed_at = now()
WHERE guard.epoch <= excluded.epoch
RETURNING org_key, mode
