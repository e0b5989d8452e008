-- SPDX-License-Identifier: BSD-3-Clause
-- An upgrade goes round: one recursor is taken down and brought back, then the other one. At no
-- time are both away, so no query needs to be lost but those that each failure costs until it
-- is noticed.
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
  rate = 1000, arrivals = "poisson", to = "25s",
  names = zipf(1000), timeout = "1s", tries = 2,
}
at "5s"  { kill  = "DNS1" }
at "9s"  { start = "DNS1" }
at "14s" { kill  = "DNS3" }
at "18s" { start = "DNS3" }
expect {
  even    { "DNS1", "DNS3", catch = 0.05 },
  detect  { "DNS1", within = "model" },
  detect  { "DNS3", within = "model" },
  back    { "DNS1", to = "share", within = "3s", catch = 0.10 },
  back    { "DNS3", to = "share", within = "3s", catch = 0.10 },
  lost    { at_most = "model" },
  outage  { within = "model" },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  overshoot { "DNS1", at_most = 0.98 },
  overshoot { "DNS3", at_most = 0.98 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
