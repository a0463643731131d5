-- The orgs in flight by step: how many, for how long the first of them has been there, and for how long the first of those
-- that are shut has been shut. An org's times are those of its last block and of what came after it.
SELECT m.migration, m.step, count(*) AS orgs,
       extract(epoch FROM now() - min(m.updated_at))::float8 AS oldest_seconds,
       (extract(epoch FROM now() - min(m.closed_at)
           FILTER (WHERE m.opened_at IS NULL OR m.opened_at < m.closed_at)))::float8 AS shut_seconds
FROM mover.org_migration_state m
WHERE m.state = 'started'
GROUP BY m.migration, m.step
