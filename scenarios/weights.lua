-- SPDX-License-Identifier: BSD-3-Clause
-- Weights 1:3. Does a server that was given three times the weight get three times the queries,
-- from either balancer, by chance and not in a pattern?
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/weights.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 1000, arrivals = "poisson", to = "10s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
expect {
  even    { "DNS1", "DNS3", catch = 0.05 },
  policy  {},
  lost    { at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
