-- The backup that a move made under an epoch. A repetition of the step has the same epoch and file.
SELECT (e.detail ->> 'rows')::bigint AS rows, e.detail ->> 'sum' AS sum
FROM mover.org_migration_event e
WHERE e.move_id = $1 AND e.epoch = $2 AND e.from_step = 'back_up' AND e.to_step = 'close'
ORDER BY e.id DESC
LIMIT 1
