-- SPDX-License-Identifier: BSD-3-Clause
-- Least outstanding, idle, and one recursor is a little further away. Every query is a tie,
-- ties go to the lower latency, so the near one gets nearly all. The far one hangs and
-- returns: does its balancer remember how far it is, or does it get everything until it has
-- been measured anew? dnsdist 1.7 forgets, and sends a returned server hundreds of queries in
-- a row.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/least.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "1ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "1ms", DNS3 = { delay = "1300us" } },
}
load {
  rate = 60, arrivals = "poisson", to = "40s",
  names = zipf(100), timeout = "2s", tries = 1,
}
at "20s" { hang   = "DNS3" }
at "24s" { resume = "DNS3" }
expect {
  policy    {},
  overshoot { "DNS3", at_most = 0.8, within = "3s" },
  answers   { wrong = 0, duplicate = 0 },
}
