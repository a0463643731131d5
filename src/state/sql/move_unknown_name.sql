-- The first of these names that the migration does not know.
SELECT asked.name
FROM unnest($2::text[]) WITH ORDINALITY AS asked (name, place)
WHERE NOT EXISTS (
    SELECT FROM mover.org_migration_state m WHERE m.migration = $1 AND m.org_name = asked.name
)
ORDER BY asked.place
LIMIT 1
