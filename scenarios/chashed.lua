-- SPDX-License-Identifier: BSD-3-Clause
-- Names on a ring: when one of three recursors goes, only its own names move, and they come
-- back with it. The other caches stay as warm as they were.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/chashed.conf",
  },
  recursors = { "DNS1", "DNS3", "DNS5", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 1000, arrivals = "poisson", to = "18s",
  names = zipf(5000), timeout = "2s", tries = 1,
}
at "6s"  { kill  = "DNS3" }
at "11s" { start = "DNS3" }
expect {
  policy  {},
  detect  { "DNS3", within = "model" },
  back    { "DNS3", within = "3s" },
  lost    { at_most = "model" },
  flaps   { "DNS1", "DNS3", "DNS5", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
