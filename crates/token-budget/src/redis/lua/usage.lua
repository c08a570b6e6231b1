-- How limits stand; changes nothing but to end what is due.
--
-- now, hold for, grace, limits.
local now, limits = time(ARGV[1]), limits_of(4)
sweep(now, 100, tonumber(ARGV[2]), tonumber(ARGV[3]))
load(limits, now)
local out = {}
for _, c in ipairs(limits) do
  out[#out + 1] = c.spent
  out[#out + 1] = c.held
  out[#out + 1] = resets_in(c, now)
end
return { out, generations() }
