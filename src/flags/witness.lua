-- Marks hashes that carry these epochs, in this server as it is now.
--
-- KEYS: the hashes. ARGV: an epoch for each. Answers 1 or 0 for each: whether it carries its epoch.

local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local history = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or ''
local answers = {}
for i, key in ipairs(KEYS) do
  answers[i] = 0
  if redis.call('HGET', key, 'mover_epoch') == ARGV[i] then
    redis.call('HSET', key, 'mover_witness', run_id .. ' ' .. history .. ' ' .. ARGV[i])
    answers[i] = 1
  end
end
return answers
