-- The epoch that replaced another one of this node's move, if no other node has taken the move over since.
SELECT m.epoch
FROM mover.org_migration_state m
WHERE m.id = $1
  AND m.node = $2
  AND m.state = 'started'
  AND EXISTS (
      SELECT FROM mover.org_migration_event e
      WHERE e.move_id = m.id AND e.epoch = m.epoch AND e.detail @> jsonb_build_object('renewed_from', $3::bigint)
  )
