-- ARGV: and 'after' or 'last', for how long entries are kept (ms), how many entries at most, how many of the last
-- or the offset after which, the epoch of that offset.
local epoch, top = life()
remember()
local oldest = now() - ARGV[5]
local max = tonumber(ARGV[6])
local from = tonumber(ARGV[7])

local function answer(gap, entries)
  return { epoch, number(top), gap, entries or {} }
end

if ARGV[4] == 'last' then
  local count = math.min(from, max)
  if count == 0 then
    return answer('')
  end
  local entries = {}
  for _, entry in ipairs(redis.call('XREVRANGE', stream, '+', '-', 'COUNT', count)) do
    if tonumber(entry[2][2]) > oldest then
      table.insert(entries, 1, { entry[1], entry[2][4] })
    end
  end
  return answer('', entries)
end

if ARGV[8] ~= epoch or from > top then
  return answer('epoch')
end
if from == top then
  return answer('')
end
local first = redis.call('XRANGE', stream, number(from + 1), '+', 'COUNT', 1)[1]
if not first or first[1] ~= number(from + 1) .. '-0' or tonumber(first[2][2]) <= oldest then
  return answer('trimmed')
end
if top - from > max then
  return answer('limit')
end
local entries = {}
for _, entry in ipairs(redis.call('XRANGE', stream, number(from + 1), '+')) do
  table.insert(entries, { entry[1], entry[2][4] })
end
return answer('', entries)
