-- Keys (each an array, as text) that the next round carries over as if their rows had been written now.
INSERT INTO mover.change_log (migration, org_key, table_name, row_key, subtree)
SELECT $1, $2, $3, key::text[], false
FROM unnest($4::text[]) AS key
WHERE EXISTS (
    SELECT FROM mover.org_guard g
    WHERE g.migration = $1 AND g.org_key = $2 AND g.mode = 'capturing' AND g.epoch <= $5
)
