-- SPDX-License-Identifier: BSD-3-Clause
-- Many names, two caches, each query to one of them by chance: a name must be asked of the
-- world twice before both know it. Compare with names-whashed.lua, the same load: what does
-- keeping names together save?
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
  names = zipf(5000), timeout = "2s", tries = 1,
}
expect {
  even    { "DNS1", "DNS3", catch = 0.05 },
  cache   { hits = 0.74, within = "1ms" },
  lost    { at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
