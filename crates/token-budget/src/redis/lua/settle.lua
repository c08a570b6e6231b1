-- Puts what was spent in the place of what was set aside; once for each id.
--
-- id, now, hold for, grace, 6 amounts, limits (for what was never set aside).
local id, now, ttl, grace = ARGV[1], time(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local actual, limits = amounts_of(5), nil

sweep(now, 32, ttl, grace)
local r = read_record(call('HGET', KEYS[1], id))
if r and r.phase == 'S' then return { 0, generations() } end
local code = r and (r.phase == 'H' and 1 or 2) or 3
if r then
  limits = r.limits
else
  limits = limits_of(11)
  r = { since = now, charged_at = now }
  for _, c in ipairs(limits) do c.has, c.charged = 0, 0 end
end
load(limits, now)
for _, c in ipairs(limits) do
  if not is_spent_at_once(c) then release(c, r.since, c.has) end
  local spent = c.meter == 2 and 0 or actual[c.meter]
  spend(c, r.since, max(0, spent - c.charged), now)
  take_back(c, r.since, r.charged_at, max(0, c.charged - spent))
end
-- A refusal that overtook what it refuses leaves only its mark.
save(limits, ttl + grace, now, id)
mark_record(id, 'S', now + grace)
return { code, generations() }
