-- The moves of the last minutes, and how long orgs were closed, bucket by bucket.
SELECT to_timestamp(floor(extract(epoch FROM m.finished_at) / $3::float8) * $3::float8) AS at,
       count(*) FILTER (WHERE m.state <> 'failed') AS moved,
       count(*) FILTER (WHERE m.state = 'failed') AS failed,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM m.opened_at - m.closed_at)::float8 * 1000) AS p50_ms,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM m.opened_at - m.closed_at)::float8 * 1000) AS p99_ms,
       max(extract(epoch FROM m.opened_at - m.closed_at)::float8 * 1000) AS max_ms
FROM mover.org_migration_state m
WHERE m.migration = $1 AND m.finished_at > now() - make_interval(mins => $2)
GROUP BY 1
ORDER BY 1
