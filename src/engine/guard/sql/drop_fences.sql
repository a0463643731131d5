-- Forgets orgs of which this transaction has made the first row.
DELETE FROM mover.org_guard g
WHERE g.migration = $1 AND g.org_key = ANY ($2::text[]) AND g.mode = 'discarded' AND g.mode_before IS NULL
