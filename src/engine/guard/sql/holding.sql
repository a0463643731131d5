-- Other migrations than $1 that have decided something about orgs.
SELECT DISTINCT g.migration FROM mover.org_guard g WHERE g.migration <> $1 AND g.mode <> 'settled' ORDER BY 1
