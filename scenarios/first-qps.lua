-- SPDX-License-Identifier: BSD-3-Clause
-- A first server that takes what it is paid for, 300 queries a second, and a second one for
-- what spills over. Balancers count each for itself, so each of two is told 150. Does the first
-- one get as much as it may, and never more; and does the second one get all while the first is
-- away?
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/first.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 500, arrivals = "poisson", to = "15s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "6s"  { kill  = "DNS1" }
at "10s" { start = "DNS1" }
expect {
  policy  {},
  detect  { "DNS1", within = "model" },
  back    { "DNS1", within = "2s" },
  lost    { at_most = "model" },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
