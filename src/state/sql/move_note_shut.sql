-- Notes since when writers of orgs have been shut out. An earlier note stays, until the org is let in.
UPDATE mover.org_migration_state m
SET closed_at = $3, opened_at = NULL
FROM unnest($1::bigint[], $2::bigint[]) AS asked (id, epoch)
WHERE m.id = ANY ($1::bigint[])
  AND m.id = asked.id
  AND m.epoch = asked.epoch
  AND m.state = 'started'
  AND (m.closed_at IS NULL OR m.opened_at IS NOT NULL)
