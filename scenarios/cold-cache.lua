-- SPDX-License-Identifier: BSD-3-Clause
-- A recursor comes back with an empty cache. It gets its full share at once, and for a while
-- every name is asked of the world again: how much slower are answers after the return than
-- before?
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
  rate = 1000, arrivals = "poisson", to = "25s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "10s" { kill  = "DNS1" }
at "15s" { start = "DNS1" }
expect {
  detect  { "DNS1", within = "model" },
  back    { "DNS1", to = "share", within = "3s", catch = 0.10 },
  lost    { at_most = "model" },
  cache   { hits = 0.85, within = "1ms", during = { "5s", "10s" } },
  cache   { hits = 0.60, within = "1ms", during = { "15s", "20s" } },
  latency { quantile = 0.80, within = "5ms", during = { "5s", "10s" } },
  latency { quantile = 0.60, within = "5ms", during = { "15s", "20s" } },
  outage  { within = "model" },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
