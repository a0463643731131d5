-- The org lives here, and nothing is logged any more. No row counted: it has moved, or somebody newer was here.
WITH settled AS (
    UPDATE mover.org_guard
    SET mode = 'settled', mode_before = mode, epoch = $3, changed_at = now()
    WHERE migration = $1 AND org_key = $2 AND epoch <= $3 AND mode IN ('capturing', 'settled')
    RETURNING 1
),
forgotten AS (
    DELETE FROM mover.change_log WHERE migration = $1 AND org_key = $2 AND EXISTS (SELECT FROM settled)
)
SELECT count(*) FROM settled
