-- The known row counts of a migration's orgs that are still in the source, and how many rows the live campaign that migrates
-- has moved, in which time; no time: there is no such campaign.
SELECT known.orgs, known.rows, known.of_campaign, live.seconds
FROM (
    SELECT max(c.id) AS id, max(extract(epoch FROM now() - c.opened_at))::float8 AS seconds
    FROM mover.campaign c
    WHERE c.migration = $1 AND c.phase <> 'ended' AND c.aim = 'migrate'
) live
CROSS JOIN LATERAL (
    SELECT count(m.rows) AS orgs,
           coalesce(sum(m.rows), 0)::bigint AS rows,
           coalesce(sum(m.rows) FILTER (WHERE m.campaign = live.id AND m.state = 'migrated'), 0)::bigint AS of_campaign
    FROM mover.org_migration_state m
    WHERE m.migration = $1 AND m.state IN ('migrated', 'rolled_back')
) known
