-- Makes orgs ready that are `holding`, `failed` or `rolled_back`: the first N in the order of capture.
WITH released AS (
    UPDATE mover.org_migration_state m
    SET state = 'ready', aim = 'migrate', node = NULL, failure = NULL, verified = NULL, rows = NULL, bytes = NULL, closed_at = NULL, opened_at = NULL,
        finished_at = NULL, updated_at = now()
    WHERE m.migration = $1
      AND m.state = $2
      AND m.id <= (
          SELECT max(meant.id)
          FROM (
              SELECT f.id
              FROM mover.org_migration_state f
              WHERE f.migration = $1 AND f.state = $2
              ORDER BY f.id
              LIMIT $3
          ) meant
      )
    RETURNING m.id, m.epoch
), noted AS (
    INSERT INTO mover.org_migration_event (move_id, epoch, from_state, to_state, actor)
    SELECT r.id, r.epoch, $2, 'ready', $4 FROM released r
)
SELECT count(*) FROM released
