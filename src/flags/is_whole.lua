-- Whether this server has all flags. If not, leaves a note that the caller is about to write them.
--
-- KEYS[1]: the hash of notes. ARGV[1]: the field of the caller's former note, or nothing. ARGV[2]: that of its new one.
-- Answers 1 or 0.

local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if redis.call('HGET', KEYS[1], 'whole') == run_id then
  return 1
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[2], run_id)
return 0
