-- Whether an org of a migration moves, or lives elsewhere.
SELECT EXISTS (SELECT FROM mover.org_guard g WHERE g.migration = $1 AND g.mode <> 'settled') AS is_needed
