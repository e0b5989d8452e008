-- SPDX-License-Identifier: BSD-3-Clause
-- Every fifth packet to and from one recursor is lost. Checks get through most of the time, so
-- the server goes out and in again and again, and what it is asked meanwhile is lost at the
-- same rate: a half-dead server is worse than a dead one.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "blog/dnsdist.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 1000, arrivals = "poisson", to = "20s",
  names = zipf(1000), timeout = "1s", tries = 2,
}
at "5s"  { loss = "DNS3", ratio = 0.2 }
at "15s" { heal = "DNS3" }
expect {
  even    { "DNS1", "DNS3", during = { "0s", "5s" }, catch = 0.10 },
  lost    { at_most = "model" },
  outage  { within = "model" },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
