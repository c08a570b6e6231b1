-- The books of one owner, by the rules of `books/counter.rs` and in the same whole numbers.
-- Whatever is changed in one of the two has to be changed in the other: `tests/model.rs`
-- compares them.
--
-- KEYS[1]  what is set aside, by id: claude:{owner}:r
-- KEYS[2]  when each of them is due: claude:{owner}:d
-- KEYS[3…] the counters of the owner, and of those of its users, features and models that the
--          call is for: claude:{owner}:b, claude:{owner}:u:…, claude:{owner}:f:…, claude:{owner}:m:…
--
-- A counter is a field `name` with "spent held mark fraction oldest"; the mark is when it was
-- last spent (sliding), up to when it is refilled (bucket), or the number of its period. Each
-- part of a sliding window is a field `name#part` with "amount last".
local MOST, PARTS, DAY = 9007199254740991, 60, 86400000
local renew_records = false
local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max
local call, format = redis.call, string.format

local function int(number) return format('%d', number) end

local function time(given)
  if given ~= '' then return tonumber(given) end
  local t = call('TIME')
  return t[1] * 1000 + floor(t[2] / 1000)
end

-- The number of the day or month of a moment, and its end.
local function period(kind, now)
  local day = floor(now / DAY)
  if kind == 'd' then return day, (day + 1) * DAY end
  local days = day + 719468
  local era, of_era = floor(days / 146097), days % 146097
  local year = floor((of_era - floor(of_era / 1460) + floor(of_era / 36524)
    - floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + floor(year / 4) - floor(year / 100))
  local month = floor((5 * of_year + 2) / 153)
  local first
  if month == 11 then
    local ends = year + 1
    local leap = ends % 4 == 0 and (ends % 100 ~= 0 or ends % 400 == 0)
    first = 365 + (leap and 1 or 0)
  else
    first = floor((153 * (month + 1) + 2) / 5)
  end
  return (era * 400 + year) * 12 + month, (day + first - of_year) * DAY
end

local function is_calendar(c) return c.kind == 'd' or c.kind == 'm' end

local function part_length(c) return max(1, floor(c.window / PARTS)) end

local function slot_name(c, part) return c.name .. '#' .. int(part) end

-- Amount and last of each part from one to another that there is.
local function slots(c, from, to)
  local found = {}
  if from > to then return found end
  local names = {}
  for part = from, to do names[#names + 1] = slot_name(c, part) end
  local values = call('HMGET', c.key, unpack(names))
  for i, value in ipairs(values) do
    if value then
      local amount, last = string.match(value, '(%d+) (%d+)')
      found[#found + 1] = { from + i - 1, tonumber(amount), tonumber(last) }
    end
  end
  return found
end

local function drop(c, part)
  c.gone = c.gone or {}
  c.gone[#c.gone + 1] = slot_name(c, part)
end

-- One part at most is written of a counter at a time.
local function put(c, part, amount, last)
  c.new = { slot_name(c, part), format('%d %d', amount, last) }
end

local function slide(c, now)
  if c.oldest == 0 then return end
  local length = part_length(c)
  if c.mark + c.window <= now then
    for part = c.oldest, floor(c.mark / length) do drop(c, part) end
    c.spent, c.oldest = 0, 0
    return
  end
  local last = min(floor((now - c.window) / length), floor(c.mark / length))
  local oldest = max(c.oldest, last + 1)
  for _, slot in ipairs(slots(c, c.oldest, last)) do
    if slot[3] + c.window > now then
      oldest = slot[1]
      break
    end
    c.spent = max(0, c.spent - slot[2])
    drop(c, slot[1])
  end
  c.oldest = oldest
end

local function refill(c, now)
  local elapsed = now - c.mark
  if elapsed <= 0 then return end
  c.mark = now
  if c.spent == 0 then
    c.fraction = 0
    return
  end
  -- elapsed * rate may be more than a double holds.
  local whole, rest = floor(elapsed / c.window), elapsed % c.window
  local a, b = floor(c.rate / c.window), c.rate % c.window
  local units = rest * b + c.fraction
  local refilled = whole * c.rate + rest * a + floor(units / c.window)
  if refilled >= c.spent then
    c.spent, c.fraction = 0, 0
  else
    c.spent, c.fraction = c.spent - refilled, units % c.window
  end
end

local function advance(c, now)
  if is_calendar(c) then
    local number = period(c.kind, now)
    if number > c.mark then c.spent, c.held, c.mark = 0, 0, number end
  elseif c.kind == 'b' then
    refill(c, now)
  elseif c.kind == 's' then
    slide(c, now)
  end
end

-- What tells the books of each key apart from those that were lost, and until when a key is
-- kept, as far as they were read.
local generation, kept = {}, {}

local function read(c, value, now)
  c.new, c.gone = nil, nil
  if value then
    local spent, held, mark, fraction, oldest =
      string.match(value, '(%d+) (%d+) (%d+) (%d+) (%d+)')
    c.spent, c.held, c.mark = tonumber(spent), tonumber(held), tonumber(mark)
    c.fraction, c.oldest = tonumber(fraction), tonumber(oldest)
    advance(c, now)
  else
    c.spent, c.held, c.mark, c.fraction, c.oldest = 0, 0, now, 0, 0
    if is_calendar(c) then c.mark = period(c.kind, now) end
  end
end

local function read_key(key, counters, now)
  local names = {}
  for i, c in ipairs(counters) do names[i] = c.name end
  local n = #names
  names[n + 1], names[n + 2] = 'generation', 'kept'
  local values = call('HMGET', key, unpack(names))
  for i, c in ipairs(counters) do read(c, values[i], now) end
  generation[key] = values[n + 1] or ''
  kept[key] = tonumber(values[n + 2] or 0)
end

-- Reads the counters of limits, all of the present.
local function load(limits, now)
  local first = limits[1]
  if not first then return end
  local by_key, keys = {}, {}
  for _, c in ipairs(limits) do
    local counters = by_key[c.key]
    if not counters then
      counters = {}
      by_key[c.key] = counters
      keys[#keys + 1] = c.key
    end
    counters[#counters + 1] = c
  end
  for _, key in ipairs(keys) do read_key(key, by_key[key], now) end
end

-- How long the counter of a limit matters.
local function lifetime(c)
  if c.kind == 'm' then return 33 * DAY end
  if c.kind == 'd' or c.kind == 'b' then return 2 * DAY end
  return 2 * c.window
end

-- Writes the counters, and with the first of them what tells these books from lost ones.
--
-- What is set aside is kept longer than any counter it is held in.
local function save(limits, ttl, now, id)
  local written, order = {}, {}
  for _, c in ipairs(limits) do
    local w = written[c.key]
    if not w then
      w = { ttl = 0 }
      written[c.key] = w
      order[#order + 1] = c.key
    end
    local n = #w
    w[n + 1] = c.name
    w[n + 2] = format('%d %d %d %d %d', c.spent, c.held, c.mark, c.fraction, c.oldest)
    if c.new then
      w[n + 3], w[n + 4] = c.new[1], c.new[2]
    end
    if c.gone then
      w.gone = w.gone or {}
      for _, name in ipairs(c.gone) do w.gone[#w.gone + 1] = name end
    end
    w.ttl = max(w.ttl, lifetime(c))
  end
  for _, key in ipairs(order) do
    local w = written[key]
    if w.gone then call('HDEL', key, unpack(w.gone)) end
    if generation[key] == '' then
      generation[key] = int(now) .. '-' .. id
      w[#w + 1] = 'generation'
      w[#w + 1] = generation[key]
    end
    local until_then = now + w.ttl + ttl
    local renews = kept[key] < until_then - 0.1 * (w.ttl + ttl) or kept[key] > until_then + DAY
    if renews then
      w[#w + 1] = 'kept'
      w[#w + 1] = int(until_then)
    end
    call('HSET', key, unpack(w))
    if renews then
      kept[key] = until_then
      call('PEXPIRE', key, int(w.ttl + ttl))
      renew_records = true
    end
  end
end

local function counts(c, since)
  return not is_calendar(c) or period(c.kind, since) >= c.mark
end

local function hold(c, since, amount)
  if counts(c, since) then c.held = min(MOST, c.held + amount) end
end

local function release(c, since, amount)
  if counts(c, since) then c.held = max(0, c.held - amount) end
end

local function spend(c, since, amount, now)
  if amount == 0 or c.kind == 'c' or not counts(c, since) then return end
  local spent = min(MOST, c.spent + amount)
  if c.kind == 'b' then
    c.spent = min(spent, MOST, c.capacity + max(c.capacity, c.rate))
    return
  end
  if c.kind == 's' then
    local at = c.oldest == 0 and now or max(now, c.mark)
    local part = floor(at / part_length(c))
    local slot = slots(c, part, part)[1] or { part, 0, 0 }
    put(c, part, slot[2] + spent - c.spent, max(slot[3], now))
    if c.oldest == 0 then c.oldest, c.mark = part, 0 end
    c.mark = max(c.mark, now)
  end
  c.spent = spent
end

local function take_back(c, since, at, amount)
  if amount == 0 or not counts(c, since) then return end
  if c.kind == 's' then
    local part = floor(at / part_length(c))
    local slot = c.oldest ~= 0 and part >= c.oldest and slots(c, part, part)[1]
    amount = slot and min(amount, slot[2]) or 0
    if amount > 0 then put(c, part, slot[2] - amount, slot[3]) end
  end
  c.spent = max(0, c.spent - amount)
  if c.spent == 0 then c.fraction = 0 end
end

local function refills_in(c, amount)
  local whole, rest = floor(amount / c.rate), amount % c.rate
  return max(0, whole * c.window + ceil((rest * c.window - c.fraction) / c.rate))
end

-- In how long so much of what is spent stops to count; nil if it is not as much.
local function until_free(c, excess, now)
  if c.kind == 'b' then
    if excess > c.spent then return nil end
    return refills_in(c, excess)
  end
  if c.oldest == 0 then return nil end
  local freed = 0
  for _, slot in ipairs(slots(c, c.oldest, floor(c.mark / part_length(c)))) do
    freed = freed + slot[2]
    if freed >= excess then return max(0, slot[3] + c.window - now) end
  end
  return nil
end

-- How long to wait until so much fits; nil if it fits.
local function wait(c, since, need, now, lasting)
  if need == 0 or not counts(c, since) then return nil end
  local excess = c.spent + c.held + need - c.capacity
  if excess <= 0 then return nil end
  if c.kind == 'c' then return 1000 end
  if is_calendar(c) then
    local _, ends = period(c.kind, now)
    return max(1, ends - now)
  end
  local found = until_free(c, excess, now)
  if not found then
    excess = c.spent + need - c.capacity
    found = excess > 0 and (until_free(c, excess, now) or MOST) or 0
    found = max(found, lasting)
  end
  return max(1, min(found, c.window))
end

local function resets_in(c, now)
  if c.kind == 'c' then return 0 end
  if is_calendar(c) then
    local _, ends = period(c.kind, now)
    return max(0, ends - now)
  end
  if c.kind == 'b' then return refills_in(c, min(MOST, c.spent + c.held)) end
  if c.held > 0 then return c.window end
  if c.oldest == 0 then return 0 end
  return max(0, c.mark + c.window - now)
end

-- The limits of the arguments from one on: key, name, meter, kind, window, rate, capacity, mode.
local function limits_of(first)
  local limits = {}
  for at = first, #ARGV, 8 do
    limits[#limits + 1] = {
      key = KEYS[tonumber(ARGV[at])],
      name = ARGV[at + 1],
      meter = tonumber(ARGV[at + 2]),
      kind = ARGV[at + 3],
      window = tonumber(ARGV[at + 4]),
      rate = tonumber(ARGV[at + 5]),
      capacity = tonumber(ARGV[at + 6]),
      mode = ARGV[at + 7],
    }
  end
  return limits
end

-- requests, running, input, output, both, nano-dollars
local function amounts_of(first)
  local amounts = {}
  for i = 1, 6 do amounts[i] = tonumber(ARGV[first + i - 1]) end
  return amounts
end

-- Requests are spent as they are granted, all else is held.
local function is_spent_at_once(c) return c.meter == 1 end

-- A record: phase, since, charged at, six of certain; then of each limit its key, name, meter,
-- kind, window, rate, capacity, mode, what it holds and what it was charged. A settled one is
-- the letter S.
local function read_record(packed)
  if not packed then return nil end
  if packed == 'S' then return { phase = 'S' } end
  local r = cmsgpack.unpack(packed)
  local prefix = string.sub(KEYS[1], 1, -2)
  local limits = {}
  for at = 10, #r, 10 do
    limits[#limits + 1] = {
      key = prefix .. r[at], name = r[at + 1], meter = r[at + 2], kind = r[at + 3],
      window = r[at + 4], rate = r[at + 5], capacity = r[at + 6], mode = r[at + 7],
      has = r[at + 8], charged = r[at + 9],
    }
  end
  return {
    phase = r[1], since = r[2], charged_at = r[3],
    certain = { r[4], r[5], r[6], r[7], r[8], r[9] }, limits = limits,
  }
end

local function mark_record(id, value, due)
  call('HSET', KEYS[1], id, value)
  call('ZADD', KEYS[2], int(due), id)
  -- A key that was swept empty was deleted, and with it its end.
  if renew_records or call('PTTL', KEYS[2]) < 0 then
    -- Longer than any counter.
    call('PEXPIRE', KEYS[1], 36 * DAY)
    call('PEXPIRE', KEYS[2], 36 * DAY)
  end
end

local function write_record(id, r, due)
  local prefix, certain = #KEYS[1], r.certain
  local flat = {
    r.phase, r.since, r.charged_at,
    certain[1], certain[2], certain[3], certain[4], certain[5], certain[6],
  }
  for _, c in ipairs(r.limits) do
    local n = #flat
    flat[n + 1], flat[n + 2], flat[n + 3] = string.sub(c.key, prefix), c.name, c.meter
    flat[n + 4], flat[n + 5], flat[n + 6] = c.kind, c.window, c.rate
    flat[n + 7], flat[n + 8], flat[n + 9], flat[n + 10] = c.capacity, c.mode, c.has, c.charged
  end
  mark_record(id, cmsgpack.pack(flat), due)
end

-- Ends what is due: what is held expires and is charged what was certain, what is over is
-- forgotten.
local function sweep(now, most, ttl, grace)
  local due = call('ZRANGEBYSCORE', KEYS[2], '-inf', int(now), 'LIMIT', 0, most)
  for _, id in ipairs(due) do
    local packed = call('HGET', KEYS[1], id)
    local r = packed and packed ~= 'S' and read_record(packed)
    if r and r.phase == 'H' then
      load(r.limits, now)
      for _, c in ipairs(r.limits) do
        if not is_spent_at_once(c) then release(c, r.since, c.has) end
        local certain = c.meter == 2 and 0 or max(c.charged, r.certain[c.meter])
        spend(c, r.since, certain - c.charged, now)
        c.has, c.charged = 0, certain
      end
      save(r.limits, ttl + grace, now, id)
      r.phase, r.charged_at = 'E', now
      write_record(id, r, now + grace)
    else
      call('HDEL', KEYS[1], id)
      call('ZREM', KEYS[2], id)
    end
  end
  return #due
end

local function standings(limits, now, out)
  for _, c in ipairs(limits) do
    local used = c.spent + c.held
    out[#out + 1] = max(0, c.capacity - used)
    out[#out + 1] = resets_in(c, now)
    out[#out + 1] = used > c.capacity and 1 or 0
  end
  return out
end

local function generations()
  local found = {}
  for i = 3, #KEYS do
    local key = KEYS[i]
    found[i - 2] = generation[key] or call('HGET', key, 'generation') or ''
  end
  return found
end
