-- Whether hashes have kept the marks of `witness.lua`, in this server.
--
-- KEYS: the hashes. ARGV: an epoch for each. Answers 1 or 0 for each.

local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local history = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or ''
local answers = {}
for i, key in ipairs(KEYS) do
  local kept = redis.call('HGET', key, 'mover_witness') == run_id .. ' ' .. history .. ' ' .. ARGV[i]
  answers[i] = kept and redis.call('HGET', key, 'mover_epoch') == ARGV[i] and 1 or 0
end
return answers
