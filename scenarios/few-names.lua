-- SPDX-License-Identifier: BSD-3-Clause
-- A handful of names make most of the traffic, and names stay with their server: what is even
-- is the number of names, not of queries. Counts differ as much as chance and the favourites
-- want.
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
  rate = 1000, arrivals = "poisson", to = "10s",
  names = zipf(10), timeout = "2s", tries = 1,
}
expect {
  policy  {},
  cache   { hits = 0.95, within = "1ms" },
  lost    { at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
