-- Refuses older epochs from now on. `changed_at` stays the time of the mode.
UPDATE mover.org_guard guard
SET epoch = claimed.epoch
FROM unnest($2::text[], $3::bigint[]) AS claimed (org_key, epoch)
WHERE guard.migration = $1 AND guard.org_key = ANY ($2) AND guard.org_key = claimed.org_key AND guard.epoch < claimed.epoch
