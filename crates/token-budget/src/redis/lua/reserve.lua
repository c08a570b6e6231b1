-- Sets aside, or raises to a total: all limits or none.
--
-- verb ("reserve" or "extend"), id, now ("" is the server's), hold for, grace, lasting,
-- 6 amounts, 6 certain, limits.
local verb, id, now = ARGV[1], ARGV[2], time(ARGV[3])
local ttl, grace, lasting = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local total, certain, limits = amounts_of(7), amounts_of(13), limits_of(19)

sweep(now, 32, ttl, grace)
local r = read_record(call('HGET', KEYS[1], id))
local due = now + ttl

local function known(of)
  load(of, now)
  return { standings(of, now, { 2, 0, 0, 0 }), generations() }
end

if r and (r.phase == 'S' or verb == 'reserve') then return known(limits) end
local was = r and r.phase
if not r then
  r = { phase = 'H', since = now, charged_at = now, certain = certain, limits = limits }
  for _, c in ipairs(limits) do c.has, c.charged = 0, 0 end
end
limits = r.limits

local misses = false
for _, c in ipairs(limits) do
  c.need = max(0, total[c.meter] - c.has - c.charged)
  misses = misses or c.need > 0
end
for i = 1, 6 do r.certain[i] = max(r.certain[i], certain[i]) end
local later = was == 'H' and max(due, tonumber(call('ZSCORE', KEYS[2], id) or 0)) or due
if was == 'H' and not misses then
  write_record(id, r, later)
  return known(limits)
end

load(limits, now)
local obstacle, longest = 0, 0
for i, c in ipairs(limits) do
  local found = c.mode == 'enforce' and wait(c, r.since, c.need, now, lasting)
  if found and found > longest then obstacle, longest = i, found end
end
if obstacle > 0 then
  if was == 'H' then call('ZADD', KEYS[2], int(later), id) end
  local out = { 0, obstacle, longest, resets_in(limits[obstacle], now) }
  return { standings(limits, now, out), generations() }
end
for _, c in ipairs(limits) do
  if is_spent_at_once(c) then
    spend(c, r.since, c.need, now)
    c.charged = c.charged + c.need
  else
    hold(c, r.since, c.need)
    c.has = c.has + c.need
  end
end
save(limits, ttl + grace, now, id)
r.phase = 'H'
write_record(id, r, later)
return { standings(limits, now, { 1, 0, 0, 0 }), generations() }
