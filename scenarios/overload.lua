-- SPDX-License-Identifier: BSD-3-Clause
-- Overload: each recursor's line carries some 1,100 queries a second with their answers, and
-- for five seconds clients ask half as much again as both lines do. Queues fill to a quarter of
-- a second each way, answers are late by that, and what finds no room is dropped: health checks
-- too, so that recursors in perfect health are taken out and in again. How late are answers, is
-- hardly more lost than what is too much, is somebody always answered, and is everything as
-- before five seconds later? A longer queue makes answers later still and saves nothing: --set
-- lab.links.DNS1.queue=200000, and of DNS3. In virtual time only.
engines = { "virtual" }
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
    DNS1 = { rate = 1000000, queue = 30000 },
    DNS3 = { rate = 1000000, queue = 30000 },
  },
}
load {
  rate = 500, arrivals = "poisson", to = "30s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
load {
  rate = 3000, arrivals = "poisson", from = "10s", to = "15s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
expect {
  even    { "DNS1", "DNS3", during = { "0s", "10s" }, catch = 0.10 },
  latency { quantile = 0.99, within = "60ms", during = { "0s", "10s" } },
  latency { quantile = 0.50, within = "700ms", during = { "10s", "15s" } },
  latency { quantile = 0.99, within = "60ms", during = { "20s", "30s" } },
  lost    { at_most = 7500 },
  outage  { within = "500ms" },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
