-- The orgs in flight by step: how many, which has been there longest and for how long, and how long the first blocked one has been
-- blocked. The times of an org are those of its last block and of what came after it.
SELECT m.migration, m.step, count(*) AS orgs,
       extract(epoch FROM now() - min(m.updated_at))::float8 AS oldest_seconds,
       (array_agg(m.org_name ORDER BY m.updated_at))[1] AS oldest_org,
       (extract(epoch FROM now() - min(m.closed_at)
           FILTER (WHERE m.opened_at IS NULL OR m.opened_at < m.closed_at)))::float8 AS shut_seconds
FROM mover.org_migration_state m
WHERE m.state = 'started'
GROUP BY m.migration, m.step
