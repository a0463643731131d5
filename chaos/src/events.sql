SELECT e.id,
       m.org_name AS org,
       coalesce(e.to_step, e.to_state) AS became,
       coalesce(e.detail ->> 'reason', e.detail -> 'failure' ->> 'reason', e.detail::text) AS reason
FROM mover.org_migration_event e
JOIN mover.org_migration_state m ON m.id = e.move_id
WHERE e.id > $1
ORDER BY e.id
