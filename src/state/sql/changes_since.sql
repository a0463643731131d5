-- Events after one, those that were skipped before it, and the present states of their orgs.
SELECT e.id AS event, m.id, m.migration, m.org_name, m.state, m.step
FROM mover.org_migration_event e
JOIN mover.org_migration_state m ON m.id = e.move_id
WHERE e.id > $1 OR e.id = ANY ($2)
ORDER BY e.id
LIMIT $3
