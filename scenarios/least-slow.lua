-- SPDX-License-Identifier: BSD-3-Clause
-- Least outstanding, and one recursor becomes slow. Its queries pile up, so it is given fewer:
-- the load moves away from it by itself, without a health check that fails. How fast are
-- answers then?
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/least.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 2000, arrivals = "poisson", to = "15s",
  names = unique(), timeout = "2s", tries = 1,
}
at "5s"  { slow = "DNS3", by = "200ms" }
at "10s" { slow = "DNS3", by = "0ms" }
expect {
  policy  {},
  latency { quantile = 0.80, within = "50ms", during = { "5s", "10s" } },
  lost    { at_most = 0 },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
