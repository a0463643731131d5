-- Which of these orgs are in flight, at which step, and how long ago the copy of their rows began.
SELECT m.org_name, m.org_key, m.step,
       extract(epoch FROM now() - coalesce((
           SELECT max(e.at)
           FROM mover.org_migration_event e
           WHERE e.move_id = m.id AND e.to_step = 'copy' AND e.from_step IS DISTINCT FROM 'copy'
       ), m.updated_at))::float8 AS seconds
FROM unnest($2::text[]) AS asked (org_key)
JOIN mover.org_migration_state m ON m.migration = $1 AND m.org_key = asked.org_key
WHERE m.state = 'started' AND m.aim = 'migrate'
ORDER BY m.id
