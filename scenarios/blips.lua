-- SPDX-License-Identifier: BSD-3-Clause
-- Short interruptions, each shorter than the patience of the health checks: every two and a
-- half seconds the network to one recursor drops everything for a second, which costs each
-- balancer one check. Three in a row would take it out, so it must stay in use all the time.
-- dnsdist once counted failures without asking that they be in a row: there it comes and goes.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/patient.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 400, arrivals = "poisson", to = "25s",
  names = zipf(1000), timeout = "1s", tries = 2,
}
for k = 0, 7 do
  at(("%dms"):format(2000 + 2500 * k)) { blackhole = "DNS1" }
  at(("%dms"):format(3000 + 2500 * k)) { heal = "DNS1" }
end
expect {
  even    { "DNS1", "DNS3", catch = 0.10 },
  flaps   { "DNS1", "DNS3" },
  answers { wrong = 0, duplicate = 0 },
}
