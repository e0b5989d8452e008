-- SPDX-License-Identifier: BSD-3-Clause
-- Many names, two caches, each name with one of them: it is asked of the world once. The same
-- load as names-wrandom.lua has at least so many more hits.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/whashed.conf",
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
  policy  {},
  cache   { hits = 0.81, within = "1ms" },
  lost    { at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
