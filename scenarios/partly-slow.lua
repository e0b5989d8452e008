-- SPDX-License-Identifier: BSD-3-Clause
-- One answer in ten of one recursor takes 300 ms: a slow upstream, a busy disk. Its checks
-- pass, so it stays in, and nothing is lost. What clients feel is one answer in twenty: the
-- median doesn't show it, the far quantiles show nothing else.
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
at "3s"  { slow = "DNS3", by = "300ms", ratio = 0.1 }
at "13s" { slow = "DNS3", by = "0ms", ratio = 0 }
expect {
  even    { "DNS1", "DNS3", catch = 0.05 },
  lost    { at_most = 0 },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  latency { quantile = 0.90, within = "30ms", during = { "3s", "13s" } },
  latency { quantile = 0.995, within = "350ms", during = { "3s", "13s" } },
  latency { quantile = 0.99, within = "30ms", during = { "0s", "3s" } },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
