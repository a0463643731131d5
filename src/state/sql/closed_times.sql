-- How long orgs were closed for writes, of a migration and, if given, of one campaign.
SELECT count(*) AS orgs,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY closed.ms) AS p50_ms,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY closed.ms) AS p99_ms,
       max(closed.ms) AS longest_ms
FROM (
    SELECT (extract(epoch FROM m.opened_at - m.closed_at) * 1000)::float8 AS ms
    FROM mover.org_migration_state m
    WHERE m.migration = $1
      AND m.state IN ('migrated', 'failed', 'rolled_back', 'finalized')
      AND m.opened_at IS NOT NULL
      AND m.closed_at IS NOT NULL
      AND ($2::bigint IS NULL OR m.campaign = $2)
) closed
