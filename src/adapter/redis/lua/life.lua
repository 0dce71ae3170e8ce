-- Begins each script. KEYS: the stream, the meta. ARGV: the run_id of the connection's server ('' to trust the engine),
-- an epoch in case that one begins, how long an idle log is remembered (ms).
local stream, meta = KEYS[1], KEYS[2]

local function run_id()
  if ARGV[1] == '' then
    return ''
  end
  -- Behind a proxy the connection may outlive the server, so the server is asked; before 7.0 it does not tell.
  local info = redis.pcall('INFO', 'server')
  return type(info) == 'string' and info:match('run_id:(%x+)') or ARGV[1]
end

local function number(value)
  return string.format('%.0f', value)
end

local function remember()
  redis.call('PEXPIRE', meta, ARGV[3])
end

local function begin(run)
  -- First what Redis refuses when its memory is full: it does so only before a script's first write.
  redis.call('HSET', meta, 'run', run, 'epoch', ARGV[2], 'top', '0')
  redis.call('DEL', stream)
  remember()
  return ARGV[2], 0
end

-- The epoch and the top of the log. A log that may have lost what it gave out begins anew: it has no meta, the meta
-- is of another process (a restart, a restore, a failover), or entries are above the top.
-- So no position names two messages. For an offset to be given out twice in an epoch, the top would have to go back
-- in the memory of one process: it is written in the step that gives the offset out, and expires as a whole. That
-- holds for the first offset as for the last, so a log that was only read keeps its epoch: an epoch that began with
-- offset 1 would tell everybody who waits in an empty room that they lost what was never sent.
local function life()
  local run = run_id()
  local known = redis.call('HMGET', meta, 'run', 'epoch', 'top')
  local top = tonumber(known[3])
  if not top or known[1] ~= run then
    return begin(run)
  end
  local above = redis.call('XRANGE', stream, '(' .. number(top) .. '-0', '+', 'COUNT', 1)
  if above[1] then
    return begin(run)
  end
  return known[2], top
end

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
