-- A page of the orgs of a migration that are not plainly settled in this store, with the number of their logged keys. An org
-- that has logged keys although it is settled or unknown is included.
SELECT known.org_key, coalesce(g.mode, 'settled') AS mode, coalesce(g.epoch, 0) AS epoch,
       (SELECT count(*) FROM mover.change_log l WHERE l.migration = $1 AND l.org_key = known.org_key) AS entries
FROM (
    SELECT a.org_key FROM mover.org_guard a WHERE a.migration = $1 AND a.mode <> 'settled' AND a.org_key > $2
    UNION
    SELECT b.org_key FROM mover.change_log b WHERE b.migration = $1 AND b.org_key > $2
    ORDER BY 1
    LIMIT $3
) known
LEFT JOIN mover.org_guard g ON g.migration = $1 AND g.org_key = known.org_key
ORDER BY known.org_key
