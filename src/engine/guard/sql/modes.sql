-- How many orgs of a migration are in each mode, and how many changes are logged.
SELECT
    (SELECT count(*) FROM mover.org_guard g WHERE g.migration = $1 AND g.mode = 'settled') AS settled,
    (SELECT count(*) FROM mover.org_guard g WHERE g.migration = $1 AND g.mode = 'capturing') AS capturing,
    (SELECT count(*) FROM mover.org_guard g WHERE g.migration = $1 AND g.mode = 'moved') AS moved,
    (SELECT count(*) FROM mover.org_guard g WHERE g.migration = $1 AND g.mode = 'incoming') AS incoming,
    (SELECT count(*) FROM mover.org_guard g WHERE g.migration = $1 AND g.mode = 'discarded') AS discarded,
    (SELECT count(*) FROM mover.change_log l WHERE l.migration = $1) AS entries
