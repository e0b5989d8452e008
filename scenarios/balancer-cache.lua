-- SPDX-License-Identifier: BSD-3-Clause
-- The balancers have a packet cache of their own, in front of the recursors', and take turns.
-- What does it leave for the recursors, and do hits upset the turns? The names are Zipf's, as
-- people ask them. At least three queries of four must be answered without asking a recursor,
-- and what is left must stay exactly even: a hit is looked up before a server is chosen, so it
-- takes no turn. dnsdist 1.7 chooses first, so its turns come out uneven: there the first claim
-- fails.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/cache.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 1000, arrivals = "poisson", to = "15s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
expect {
  even    { "DNS1", "DNS3" },
  cache   { hits = 0.75, at = "balancers" },
  latency { quantile = 0.75, within = "2ms" },
  lost    { at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
