-- Notes that this server has all flags, unless the caller's own note got lost since it began to write them.
--
-- KEYS[1]: the hash of notes. ARGV[1]: the field of the caller's note.
-- Answers 1 if it is noted, or 0.

local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if redis.call('HGET', KEYS[1], ARGV[1]) ~= run_id then
  return 0
end
-- Other processes' notes stay: each of them has its own flags to write to the end. Those of a dead one do no harm
-- and go with the next loss.
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], 'whole', run_id)
return 1
