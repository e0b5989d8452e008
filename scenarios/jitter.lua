-- SPDX-License-Identifier: BSD-3-Clause
-- A bad network that loses nothing: packets to and from the recursors come up to 5 ms late, and
-- one of ten is overtaken by those behind it. That must harm nobody: no answer goes to the
-- wrong client, nobody is taken out, the load stays even, and answers are later by just that.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "blog/dnsdist.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = {
    delay = "50us",
    DNS1 = { jitter = "5ms", reorder = 0.1, reorder_by = "10ms" },
    DNS3 = { jitter = "5ms", reorder = 0.1, reorder_by = "10ms" },
  },
}
load {
  rate = 1000, arrivals = "poisson", to = "12s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
expect {
  even    { "DNS1", "DNS3", catch = 0.05 },
  lost    { at_most = 0 },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  latency { quantile = 0.50, within = "15ms" },
  latency { quantile = 0.99, within = "60ms" },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
