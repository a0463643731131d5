-- Orgs that have left this store for good, and of which its guard knows nothing.
INSERT INTO mover.org_guard (migration, org_key, mode, epoch)
SELECT $1, left_here.org_key, 'moved', left_here.epoch FROM unnest($2::text[], $3::bigint[]) AS left_here (org_key, epoch)
ON CONFLICT DO NOTHING
