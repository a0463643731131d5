-- Names of orgs of these migrations with the prefix $2.
SELECT DISTINCT m.org_name
FROM mover.org_migration_state m
WHERE m.migration = ANY ($1::text[]) AND m.org_name >= $2 AND m.org_name < $2 || chr(1114111)
ORDER BY m.org_name
LIMIT $3
