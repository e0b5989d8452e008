-- SPDX-License-Identifier: BSD-3-Clause
-- The network is cut one way: queries reach a recursor, its answers reach nobody. It works, its
-- own counters look fine, and no client hears of it. Do the balancers notice as fast as with a
-- dead one? For the other way, where it hears nothing: --set at.1.way=in
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
  rate = 1000, arrivals = "poisson", to = "15s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "5s"  { cut  = "DNS3", way = "out" }
at "10s" { heal = "DNS3" }
expect {
  even    { "DNS1", "DNS3", during = { "0s", "5s" }, catch = 0.10 },
  detect  { "DNS3", within = "model" },
  back    { "DNS3", to = "share", within = "3s", catch = 0.10 },
  lost    { at_most = "model" },
  outage  { within = "model" },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
