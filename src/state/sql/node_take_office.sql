-- A new process begins under this node's name, so the former one is gone: its moves are free to be taken over, and its campaign
-- has ended.
WITH released AS (
    UPDATE mover.org_migration_state SET node = NULL WHERE state = 'started' AND node = $1
), interrupted AS (
    UPDATE mover.campaign
    SET phase = 'ended', ended_at = now(), reason = 'interrupted: its process ended'
    WHERE phase <> 'ended' AND node = $1
)
UPDATE mover.node
SET lease_until = now() + $2::float8 * interval '1 millisecond', joined_at = now(), left_at = NULL
WHERE id = $1
