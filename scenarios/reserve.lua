-- SPDX-License-Identifier: BSD-3-Clause
-- Two recursors do the work, a third one of a higher order is their reserve
-- (orderedWrandUntag). Does the reserve get nothing while one of the two is up, all when both
-- are down, and nothing again when the first one returns?
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/reserve.conf",
  },
  recursors = { "DNS1", "DNS3", "DNS5", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 1000, arrivals = "poisson", to = "25s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "5s"  { kill  = "DNS1" }
at "10s" { kill  = "DNS3" }
at "15s" { start = "DNS1" }
at "18s" { start = "DNS3" }
expect {
  policy  {},
  even    { "DNS1", "DNS3", during = { "0s", "5s" }, catch = 0.10 },
  detect  { "DNS1", within = "model" },
  detect  { "DNS3", within = "model" },
  back    { "DNS1", within = "3s" },
  back    { "DNS3", to = "share", within = "3s", catch = 0.10 },
  lost    { at_most = "model" },
  flaps   { "DNS1", "DNS3", "DNS5", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
