-- Where a log ends; nothing where there is none.
if redis.call('EXISTS', meta) == 0 then
  return false
end
local epoch, top = life()
-- A room that somebody watches keeps its epoch, however quiet it is.
remember()
return { epoch, number(top) }
