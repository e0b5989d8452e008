-- SPDX-License-Identifier: BSD-3-Clause
-- One recursor says SERVFAIL to everything, health checks too. Are clients told so only until
-- the checks have taken it out, does it stay out until it is right again, and is nothing lost?
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
  rate = 1000, arrivals = "poisson", to = "15s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "5s"  { servfail = "DNS1" }
at "10s" { servfail = "DNS1", ratio = 0 }
expect {
  even    { "DNS1", "DNS3", catch = 0.10 },
  lost    { at_most = "model" },
  outage  { within = "model" },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0, during = { "0s", "4.9s" } },
  answers { wrong = 0, duplicate = 0, error = 700, during = { "4.9s", "7.1s" } },
  answers { wrong = 0, duplicate = 0, error = 0, during = { "7.1s", "15s" } },
}
