-- Whether this server has all flags. Leaves no note: the caller will not write anything.
--
-- KEYS[1]: the hash of notes. Answers 1 or 0.

local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
return redis.call('HGET', KEYS[1], 'whole') == run_id and 1 or 0
