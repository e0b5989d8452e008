-- SPDX-License-Identifier: BSD-3-Clause
-- Ten balancers, a hundred recursors, a hundred thousand queries a second for a minute, while
-- an upgrade rolls through: every second from the tenth on one recursor is killed, and comes
-- back five seconds later with a cold cache. Is the load even among a hundred, and what does
-- such an upgrade cost? In virtual time only.
--
-- What an operator learns: the first and the last that go are noticed as soon as the checks
-- imply, though four others are away, and the last is asked again as soon as it is back; who
-- tries twice loses hardly anything, and most answers still come from caches. Nothing is said
-- of the share of one that returned, nor of the returns before the last: each is watched until
-- the next recursor goes, which is a second, and that is too short to tell.
engines = { "virtual" }
local names, balancers = {}, { config = "conf/hundred.conf" }
for i = 1, 100 do names[i] = ("R%03d"):format(i) end
for i = 1, 10 do balancers[("LB%02d"):format(i)] = { ("192.160.102.%d"):format(i + 1) } end

local recursors = { config = "conf/hundred-recursor.conf", miss = "20ms" }
local evenly = { during = { "0s", "10s" }, catch = 0.003 }
for i, name in ipairs(names) do recursors[i], evenly[i] = name, name end

lab {
  balancers = balancers,
  recursors = recursors,
  clients = { net = "192.160.102.128/25", count = 100, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 100000, arrivals = "poisson", to = "60s",
  names = zipf(100000), timeout = "2s", tries = 2,
}
for i = 1, 40 do
  at(("%ds"):format(9 + i))  { kill  = names[i] }
  at(("%ds"):format(14 + i)) { start = names[i] }
end
expect {
  even    (evenly),
  detect  { "R001", within = "model" },
  detect  { "R040", within = "model" },
  back    { "R040", within = "2s" },
  lost    { at_most = "model" },
  answers { wrong = 0, duplicate = 0, error = 0 },
  outage  { within = "model" },
  cache   { hits = 0.5, within = "1ms" },
}
