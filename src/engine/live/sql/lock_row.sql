-- No other session changes the copies of the orgs until the transaction ends.
SELECT org_key, mode, epoch FROM mover.org_guard
WHERE migration = $1 AND org_key = ANY ($2::text[]) ORDER BY org_key COLLATE "C" FOR UPDATE
