-- KEYS: and the note of the idempotency key, if there is one. ARGV: and the entry, how many are kept, for how long (ms),
-- the channel, the command that publishes.
local epoch, top = life()

if KEYS[3] then
  local note = redis.call('GET', KEYS[3])
  local noted_epoch, offset = (note or ''):match('^(%x+) (%d+)$')
  if noted_epoch == epoch then
    return { epoch, offset }
  end
end

local offset = number(top + 1)
local time = now()
-- Redis refuses an id that does not rise.
redis.call('XADD', stream, 'MAXLEN', ARGV[5], offset .. '-0', 't', number(time), 'e', ARGV[4])
redis.call('HSET', meta, 'top', offset)
-- From here on it is done, whatever fails.
redis.pcall('PEXPIRE', meta, ARGV[3])
redis.pcall('PEXPIRE', stream, ARGV[6])
if KEYS[3] then
  redis.pcall('SET', KEYS[3], epoch .. ' ' .. offset, 'PX', 300000)
end
-- Two for each that comes: what has expired does not pile up.
local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 2)
for _, entry in ipairs(oldest) do
  if tonumber(entry[2][2]) <= time - ARGV[6] then
    redis.pcall('XDEL', stream, entry[1])
  end
end
redis.pcall(ARGV[8], ARGV[7], '\1' .. epoch .. string.format('%016x', top + 1) .. ARGV[4])
return { epoch, offset }
