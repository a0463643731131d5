-- The standing of the orgs.
SELECT org_key, mode, epoch FROM mover.org_guard WHERE migration = $1 AND org_key = ANY ($2::text[])
