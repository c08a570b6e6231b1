-- Ends what is due of an owner that nobody calls any more; says how many there were.
--
-- now, hold for, grace.
return sweep(time(ARGV[1]), 100, tonumber(ARGV[2]), tonumber(ARGV[3]))
