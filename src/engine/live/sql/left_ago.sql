-- How many seconds ago the org left this store; no row unless it has.
SELECT extract(epoch FROM clock_timestamp() - changed_at)::float8
FROM mover.org_guard WHERE migration = $1 AND org_key = ANY ($2::text[]) AND mode = 'moved'
