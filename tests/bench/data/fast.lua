-- SPDX-License-Identifier: BSD-3-Clause
-- 20,000 queries a second through both tiers, nothing else: the most that two processors carry with
-- wire, clients and programs on them. Five seeds; four of five have to be valid.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "../../../scenarios/blog/dnsdist.conf",
  },
  recursors = { "DNS1", "DNS3", config = "../../../scenarios/blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 20000, arrivals = "poisson", to = "5s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
expect {
  even    { "DNS1", "DNS3", during = { "0s", "5s" }, catch = 0.05 },
  answers { wrong = 0, duplicate = 0 },
}
