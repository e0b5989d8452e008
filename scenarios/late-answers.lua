-- SPDX-License-Identifier: BSD-3-Clause
-- A recursor that answers, but around the time at which its balancers give up (setUDPTimeout,
-- 2 s), and later half a second after it: what comes before is passed on, what comes after
-- belongs to nobody and must not reach anybody, the one who asked included. Its health checks
-- fail as well, so it is out until it is fast again; until then half of all queries go to it.
-- Of these a third at most, no cache hits, come too late the first time, 400 in two seconds;
-- and all the second time, 1,200.
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
  names = zipf(1000), timeout = "4s", tries = 1,
}
at "5s"  { slow = "DNS3", by = "1990ms" }
at "10s" { slow = "DNS3", by = "0ms" }
at "14s" { slow = "DNS3", by = "2500ms" }
at "18s" { slow = "DNS3", by = "0ms" }
expect {
  even    { "DNS1", "DNS3", during = { "0s", "5s" }, catch = 0.10 },
  lost    { at_most = 1600 },
  outage  { within = "model" },
  latency { quantile = 0.99, within = "50ms", during = { "7.1s", "14s" } },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
