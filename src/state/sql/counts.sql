-- How many orgs of a migration are in each state, and, of those in flight, at each step.
SELECT m.state, NULL::text AS step, count(*) AS orgs
FROM mover.org_migration_state m
WHERE m.migration = $1
GROUP BY m.state
UNION ALL
SELECT m.state, m.step, count(*)
FROM mover.org_migration_state m
WHERE m.migration = $1 AND m.state = 'started'
GROUP BY m.state, m.step
