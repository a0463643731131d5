-- What some hashes should look like, in the order in which they are asked for; nothing for those that are not managed.
SELECT f.key, f.epoch, f.base || f.overlay AS fields
FROM unnest($1::text[]) WITH ORDINALITY AS asked (key, place)
LEFT JOIN mover.desired_flags f ON f.key = ANY ($1) AND f.key = asked.key
ORDER BY asked.place
