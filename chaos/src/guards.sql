SELECT g.org_key,
       g.mode,
       (SELECT count(*) FROM mover.change_log l WHERE l.migration = g.migration AND l.org_key = g.org_key),
       (SELECT count(*) FROM mover.copy_range r WHERE r.migration = g.migration AND r.org_key = g.org_key)
FROM mover.org_guard g
WHERE g.migration = $1
