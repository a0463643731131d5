-- Tries the commands of the other scripts without changing a flag.
--
-- KEYS[1]: a key that nobody reads. KEYS[2]: the key of flags of an org that does not exist.
-- Answers a text for each command that is refused: its name, and what Redis said.

local refused = {}

local function try(...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and answer.err then
    refused[#refused + 1] = (...) .. ' ' .. answer.err
  end
end

try('HSET', KEYS[1], 'tried', '1')
try('HGET', KEYS[2], 'mover_epoch')
try('HDEL', KEYS[2], 'mover_epoch')
try('INFO', 'server')
return refused
