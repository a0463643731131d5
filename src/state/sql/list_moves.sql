-- A page of a migration's moves in these states, in the order of capture.
SELECT page.*
FROM unnest($2::text[]) AS wanted (state)
CROSS JOIN LATERAL (
    SELECT m.id, m.migration, m.org_name, m.org_key, m.strategy, m.aim, m.state, m.step, m.epoch, m.campaign, m.attempts,
           m.verified, m.failure, m.backup, m.backup_sum, m.node, m.rows, m.bytes, m.captured_at, m.updated_at, m.closed_at, m.opened_at,
           m.finished_at
    FROM mover.org_migration_state m
    WHERE m.migration = $1 AND m.state = wanted.state AND m.id > $3
    ORDER BY m.id
    LIMIT $4
) page
ORDER BY page.id
LIMIT $4
