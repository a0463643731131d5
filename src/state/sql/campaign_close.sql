-- Ends a campaign; one that has ended keeps its reason and time.
UPDATE mover.campaign
SET phase = 'ended', ended_at = coalesce(ended_at, now()),
    reason = CASE WHEN phase = 'ended' THEN reason ELSE coalesce($2, reason) END
WHERE id = $1
