-- How many orgs the live campaign migrated in the last minute, and how much of that minute it was open. Zero without a live
-- campaign.
SELECT (
           SELECT count(*)
           FROM mover.org_migration_state m
           WHERE m.migration = $1
             AND m.state IN ('migrated', 'rolled_back', 'finalized')
             AND m.finished_at > now() - interval '1 minute'
             AND m.finished_at > latest.opened_at
       ) AS migrated,
       CASE WHEN latest.opened_at IS NULL THEN 0 ELSE least(60, extract(epoch FROM now() - latest.opened_at)) END::float8
           AS seconds
FROM (
    SELECT max(c.opened_at) AS opened_at FROM mover.campaign c WHERE c.migration = $1 AND c.phase <> 'ended'
) latest
