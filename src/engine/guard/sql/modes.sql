-- How many orgs of a migration are in each mode, without those in $2, and how many changes are logged.
SELECT
    count(*) FILTER (WHERE g.mode = 'settled') AS settled,
    count(*) FILTER (WHERE g.mode = 'capturing') AS capturing,
    count(*) FILTER (WHERE g.mode = 'moved') AS moved,
    count(*) FILTER (WHERE g.mode = 'incoming') AS incoming,
    count(*) FILTER (WHERE g.mode = 'discarded') AS discarded,
    (SELECT count(*) FROM mover.change_log l WHERE l.migration = $1) AS entries
FROM mover.org_guard g
LEFT JOIN unnest($2::text[]) AS left_out (org_key) ON left_out.org_key = g.org_key
WHERE g.migration = $1 AND left_out.org_key IS NULL
