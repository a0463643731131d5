-- Makes these orgs ready if they are `holding`, `failed` or `rolled_back`.
WITH released AS (
    UPDATE mover.org_migration_state m
    SET state = 'ready', aim = 'migrate', node = NULL, failure = NULL, verified = NULL, rows = NULL, bytes = NULL, closed_at = NULL, opened_at = NULL,
        finished_at = NULL, updated_at = now()
    WHERE m.migration = $1 AND m.state = $2 AND m.org_name = ANY ($3::text[])
    RETURNING m.id, m.epoch
), noted AS (
    INSERT INTO mover.org_migration_event (move_id, epoch, from_state, to_state, actor)
    SELECT r.id, r.epoch, $2, 'ready', $4 FROM released r
)
SELECT count(*) FROM released
