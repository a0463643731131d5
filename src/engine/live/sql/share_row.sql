-- Keeps newer epochs out until the transaction ends; others with the same epoch may copy at the same time.
SELECT org_key, mode, epoch FROM mover.org_guard
WHERE migration = $1 AND org_key = ANY ($2::text[]) ORDER BY org_key COLLATE "C" FOR SHARE
