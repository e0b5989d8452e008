-- SPDX-License-Identifier: BSD-3-Clause
-- A second failure while the first lasts: DNS1 dies, later DNS3 too, DNS3 comes back first.
-- What does the second failure cost, when nobody is left to answer; is each of the two noticed,
-- and does each get its queries again, though the other one is still away?
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
  rate = 1000, arrivals = "poisson", to = "30s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "5s"  { kill  = "DNS1" }
at "10s" { hang  = "DNS3" }
at "14s" { resume = "DNS3" }
at "20s" { start = "DNS1" }
expect {
  even    { "DNS1", "DNS3", catch = 0.10 },
  detect  { "DNS1", within = "model" },
  detect  { "DNS3", within = "model" },
  back    { "DNS3", within = "3s" },
  back    { "DNS1", to = "share", within = "3s", catch = 0.10 },
  lost    { at_most = "model" },
  outage  { within = "model" },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
