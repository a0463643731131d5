-- A page of desired flags: every other hash by key, then dl_override, then dl_default. $2 is where the page before ended: 0
-- among the others (after key $1), 1 at dl_override, 2 at dl_default.
SELECT page.key, page.epoch, page.fields
FROM (
    (SELECT 0 AS turn, f.key, f.epoch, f.base || f.overlay AS fields
     FROM mover.desired_flags f
     WHERE $2 = 0 AND f.key > $1 AND f.key <> 'dl_override' AND f.key <> 'dl_default'
     ORDER BY f.key
     LIMIT $3)
    UNION ALL
    SELECT 1, f.key, f.epoch, f.base || f.overlay
    FROM mover.desired_flags f
    WHERE $2 < 1 AND f.key = 'dl_override'
    UNION ALL
    SELECT 2, f.key, f.epoch, f.base || f.overlay
    FROM mover.desired_flags f
    WHERE $2 < 2 AND f.key = 'dl_default'
) page
ORDER BY page.turn, page.key
LIMIT $3
