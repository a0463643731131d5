-- The first statement of a write, and its gate: the server checks the deadline, and by then holds the ROW EXCLUSIVE lock on
-- client_writes (locks are taken before a statement runs).
WITH gate AS MATERIALIZED (
    SELECT clock_timestamp() < $5::timestamptz AS open
), written AS (
    INSERT INTO client_writes (org_id, client, seq, at, payload)
    SELECT $1, $2, $3, clock_timestamp(), $4 FROM gate WHERE open
    ON CONFLICT DO NOTHING
    RETURNING seq
)
SELECT gate.open, EXISTS (SELECT FROM written) AS written FROM gate
