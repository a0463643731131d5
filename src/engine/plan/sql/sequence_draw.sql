-- Draws from the sequence $1 until a number has reached $3, at most $2 numbers; $4 is the increment. Every session that draws
-- meanwhile brings the end nearer.
WITH RECURSIVE drawn (count, value) AS (
    SELECT 1::bigint, nextval($1::text::regclass)
    UNION ALL
    SELECT d.count + 1, nextval($1::text::regclass)
    FROM drawn d
    WHERE d.count < $2::bigint AND CASE WHEN $4::bigint < 0 THEN d.value > $3::bigint ELSE d.value < $3::bigint END
)
SELECT count(*) FROM drawn
