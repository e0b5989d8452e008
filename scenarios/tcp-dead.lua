-- SPDX-License-Identifier: BSD-3-Clause
-- For five seconds a recursor truncates all its answers, and nobody listens on TCP at the
-- balancers. Whoever is told to ask again over TCP is refused there: about half of all queries
-- of that time get no answer, though every health check is answered, nothing is taken out of
-- use and no client is told of an error. What one learns: UDP that works says nothing about
-- TCP, which has to be watched by itself.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/udp-only.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 1000, arrivals = "poisson", to = "15s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "5s"  { truncate = "DNS3" }
at "10s" { truncate = "DNS3", ratio = 0 }
expect {
  even    { "DNS1", "DNS3", catch = 0.05 },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  lost    { at_most = 2900 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
