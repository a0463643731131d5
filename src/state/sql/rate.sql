-- How many orgs came through in the last minute, and how much of that minute the latest campaign was open.
SELECT (
           SELECT count(*)
           FROM mover.org_migration_state m
           WHERE m.migration = $1 AND m.state IN ('migrated', 'rolled_back', 'finalized') AND m.finished_at > now() - interval '1 minute'
       ) AS migrated,
       least(60, extract(epoch FROM now() - latest.opened_at))::float8 AS seconds
FROM (
    SELECT max(c.opened_at) AS opened_at FROM mover.campaign c WHERE c.migration = $1
) latest
