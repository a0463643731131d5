-- Orgs that have left this store for good, and of which its guard knows nothing, or no more than that the directory lists them.
INSERT INTO mover.org_guard AS guard (migration, org_key, mode, epoch)
SELECT $1, left_here.org_key, 'moved', left_here.epoch FROM unnest($2::text[], $3::bigint[]) AS left_here (org_key, epoch)
ON CONFLICT (org_key, migration) DO UPDATE SET mode = 'moved', epoch = excluded.epoch, changed_at = now()
WHERE guard.mode = 'settled' AND guard.epoch = 0
