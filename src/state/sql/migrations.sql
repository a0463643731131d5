-- Every migration that has orgs, by jumping from one to the next in the index.
WITH RECURSIVE known AS (
    (SELECT m.migration FROM mover.org_migration_state m ORDER BY m.migration LIMIT 1)
    UNION ALL
    SELECT (
        SELECT m.migration FROM mover.org_migration_state m
        WHERE m.migration > known.migration ORDER BY m.migration LIMIT 1
    )
    FROM known
    WHERE known.migration IS NOT NULL
)
SELECT known.migration FROM known WHERE known.migration IS NOT NULL
