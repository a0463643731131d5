-- The desired content of some hashes, in the order in which they are requested; nothing for unmanaged ones.
SELECT f.key, f.epoch, f.base || f.overlay AS fields
FROM unnest($1::text[]) WITH ORDINALITY AS asked (key, place)
LEFT JOIN mover.desired_flags f ON f.key = ANY ($1) AND f.key = asked.key
ORDER BY asked.place
