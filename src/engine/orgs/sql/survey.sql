-- The orgs of a migration that this store has decided something about, with the number of their logged keys. An org that has
-- logged keys although nothing was decided is included. `settled` with epoch 0 is no decision.
SELECT coalesce(g.org_key, l.org_key) AS org_key, g.mode, coalesce(g.epoch, 0) AS epoch, coalesce(l.entries, 0) AS entries
FROM (
    SELECT a.org_key, a.mode, a.epoch FROM mover.org_guard a
    WHERE a.migration = $1 AND (a.mode <> 'settled' OR a.epoch > 0)
) g
FULL JOIN (
    SELECT b.org_key, count(*) AS entries FROM mover.change_log b WHERE b.migration = $1 GROUP BY b.org_key
) l ON l.org_key = g.org_key
