-- Makes flag hashes look like their images: each one whole, or not at all if it carries a newer epoch.
-- dl_default, which lets applications work, is withheld from a Redis that lost its memory, unless the caller is the one
-- who has been writing all other hashes to it since.
--
-- KEYS[1]: the hash of notes; then the hashes.
-- ARGV[1]: the field of the caller's note; then, hash after hash: epoch, how many fields to set, how many to delete, a
-- name and a value for each field to set, a name for each field to delete.
-- Answers one text a hash: "applied", "withheld", "stale <epoch found>", or "error <what Redis said>".

-- Epochs are 64-bit integers and Lua's numbers are doubles, which are exact up to 2^53 only: so they are
-- compared as decimal texts without leading zeros, by length and then digit by digit.
local function newer(one, other)
  if #one ~= #other then
    return #one > #other
  end
  return one > other
end

-- Someone who removes such a hash changes the flags of all orgs; the note tells that it was there.
local function is_of_all(key)
  return key == 'dl_default' or key == 'dl_override' or key == 'dl_org__OC_INTERNAL_NO_ORG'
end

local function is_withheld(key)
  if key ~= 'dl_default' then
    return false
  end
  local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  return redis.call('HGET', KEYS[1], 'whole') ~= run_id and redis.call('HGET', KEYS[1], ARGV[1]) ~= run_id
end

local function make(key, epoch, sets_from, deletes_from, deletes_to)
  if is_withheld(key) then
    return 'withheld'
  end
  local found = redis.pcall('HGET', key, 'mover_epoch')
  if type(found) == 'table' then
    return 'error ' .. found.err
  end
  -- A value that is no number cannot be ours, so it protects nothing.
  if found and string.find(found, '^[1-9][0-9]*$') and newer(found, epoch) then
    return 'stale ' .. found
  end
  -- HSET goes first, because it is the one that Redis refuses when it is full or read-only: then nothing has changed yet.
  local set = redis.pcall('HSET', key, 'mover_epoch', epoch, unpack(ARGV, sets_from, deletes_from - 1))
  if type(set) == 'table' then
    if string.find(set.err, 'READONLY', 1, true) then
      return set
    end
    return 'error ' .. set.err
  end
  -- What was proven of the hash before does not hold for what is written now.
  local deleted = redis.pcall('HDEL', key, 'mover_witness', unpack(ARGV, deletes_from, deletes_to))
  if type(deleted) == 'table' then
    return 'error ' .. deleted.err
  end
  if is_of_all(key) then
    redis.pcall('HSET', KEYS[1], 'written:' .. key, epoch)
  end
  return 'applied'
end

local answers = {}
local at = 2
for i = 2, #KEYS do
  local sets_from = at + 3
  local deletes_from = sets_from + 2 * tonumber(ARGV[at + 1])
  local after = deletes_from + tonumber(ARGV[at + 2])
  local answer = make(KEYS[i], ARGV[at], sets_from, deletes_from, after - 1)
  if type(answer) == 'table' then
    -- A replica refuses every hash alike, and the caller has to look for the new master.
    return redis.error_reply('READONLY this server is a replica')
  end
  answers[i - 1] = answer
  at = after
end
return answers
