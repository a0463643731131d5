-- The epoch that this node's move was given in place of another, if nobody has taken it over since.
SELECT m.epoch
FROM mover.org_migration_state m
WHERE m.id = $1
  AND m.node = $2
  AND m.state = 'started'
  AND EXISTS (
      SELECT FROM mover.org_migration_event e
      WHERE e.move_id = m.id AND e.epoch = m.epoch AND e.detail @> jsonb_build_object('renewed_from', $3::bigint)
  )
