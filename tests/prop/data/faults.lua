-- SPDX-License-Identifier: BSD-3-Clause
-- A set-up to give trouble to for test_virtual_prop.c, which draws the timeline itself. Two
-- tries, so that clients change balancers; small answers must be right whatever happens.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "../../../scenarios/blog/dnsdist.conf",
  },
  recursors = {
    "DNS1", "DNS3", config = "../../../scenarios/blog/recursor.conf",
    miss = lognormal("15ms", "60ms"),
  },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "200us" },
}
load {
  rate = 500, arrivals = "poisson", to = "8s",
  names = zipf(300), timeout = "700ms", tries = 2,
}
at "1s" { kill = "DNS1" }
at "4s" { start = "DNS1" }
at "5s" { kill = "DNS3" }
at "6s" { start = "DNS3" }
expect {
  even    { "DNS1", "DNS3", catch = 0.24 },
  detect  { "DNS1", within = "2.5s" },
  back    { "DNS3", within = "4s" },
  lost    { at_most = 1000000 },
  answers { wrong = 0, duplicate = 1000000 },
  cache   { hits = 0.0001 },
}
