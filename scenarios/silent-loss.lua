-- SPDX-License-Identifier: BSD-3-Clause
-- A recursor restarts in 300 ms, faster than health checks look. Mostly no balancer notices:
-- nothing is logged, no counter of outages moves, and every query that was sent to it meanwhile
-- is lost. How many is that? A restart costs less with a balancer that retries, or that was
-- told before.
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
  rate = 1000, arrivals = "poisson", to = "10s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "5s"   { kill  = "DNS3" }
at "5.3s" { start = "DNS3" }
expect {
  even    { "DNS1", "DNS3", during = { "0s", "5s" }, catch = 0.10 },
  back    { "DNS3", to = "share", within = "3s", catch = 0.10 },
  lost    { at_most = "model" },
  outage  { within = "model" },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
