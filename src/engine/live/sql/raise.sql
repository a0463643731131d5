-- Refuses older epochs from now on.
UPDATE mover.org_guard guard
SET epoch = claimed.epoch, changed_at = now()
FROM unnest($2::text[], $3::bigint[]) AS claimed (org_key, epoch)
WHERE guard.migration = $1 AND guard.org_key = ANY ($2) AND guard.org_key = claimed.org_key AND guard.epoch < claimed.epoch
