-- SPDX-License-Identifier: BSD-3-Clause
-- Turns instead of chance: the counts of two recursors never differ by more than one, and when
-- one is away the other gets all. One that comes back takes every second query at once.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/roundrobin.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 500, arrivals = "poisson", to = "15s",
  names = unique(), timeout = "2s", tries = 1,
}
at "5s"  { kill  = "DNS1" }
at "10s" { start = "DNS1" }
expect {
  even    { "DNS1", "DNS3" },
  detect  { "DNS1", within = "model" },
  back    { "DNS1", within = "3s" },
  lost    { at_most = "model" },
  outage  { within = "model" },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
