-- The progress of copies in ranges. A range that is still to be copied counts as many rows as the others of its table, and the
-- last one half of that; before the first is done, as many ($2) as ranges are cut for. The rows of a table that is copied whole
-- are unknown before.
WITH piece AS (
    SELECT r.org_key, r.rows, r.above, r.upto,
           coalesce(avg(r.rows) FILTER (WHERE r.upto IS NOT NULL) OVER (PARTITION BY r.org_key, r.table_name), $2::int8) AS usual
    FROM mover.copy_range r
    WHERE r.migration = $1
)
SELECT p.org_key,
       count(*) AS ranges,
       count(p.rows) AS ranges_done,
       coalesce(sum(p.rows), 0)::int8 AS rows_copied,
       sum(coalesce(p.rows, CASE
           WHEN p.upto IS NOT NULL THEN p.usual
           WHEN p.above IS NOT NULL THEN p.usual / 2
           ELSE 0
       END))::int8 AS rows_expected
FROM piece p
GROUP BY p.org_key
