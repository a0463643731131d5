-- What one hash should look like.
SELECT f.key, f.epoch, f.base || f.overlay AS fields FROM mover.desired_flags f WHERE f.key = $1
