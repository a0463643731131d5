-- Orgs that have moved away from here by migration $1.
SELECT g.org_key FROM mover.org_guard g WHERE g.migration = $1 AND g.org_key = ANY ($2::text[]) AND g.mode = 'moved'
