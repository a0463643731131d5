-- The orgs that are known under another name, or whose name is known with another key. If both is true of one, its key decides
-- which org it is.
SELECT DISTINCT ON (asked.place) asked.name, asked.key, m.org_name, m.org_key, m.state
FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS asked (name, key, place)
JOIN mover.org_migration_state m
  ON m.migration = $1
 AND ((m.org_key = asked.key AND m.org_name <> asked.name) OR (m.org_name = asked.name AND m.org_key <> asked.key))
ORDER BY asked.place, m.org_key <> asked.key
