-- What other migrations than $1 have decided about orgs; `settled` only if $3.
SELECT g.org_key, g.migration, g.mode
FROM mover.org_guard g
WHERE g.org_key = ANY ($2::text[]) AND g.migration <> $1 AND ($3 OR g.mode <> 'settled')
ORDER BY g.org_key, g.migration
