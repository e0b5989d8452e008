-- SPDX-License-Identifier: BSD-3-Clause
-- Maintenance as an operator of dnsdist does it: setDown() at each balancer's console, then
-- the recursor is taken away for seconds and comes back, then setAuto(). No health check has
-- to notice anything, nobody's query may get lost, and when health checks decide again the
-- recursor gets its share. Also with the real dnsdist: --balancer /usr/bin/dnsdist.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/console.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 1000, arrivals = "poisson", to = "15s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "4s"  { setDown = "DNS3" }
at "5s"  { kill    = "DNS3" }
at "8s"  { start   = "DNS3" }
at "9s"  { setAuto = "DNS3" }
expect {
  even    { "DNS1", "DNS3", during = { "0s", "4s" }, catch = 0.10 },
  even    { "DNS1", "DNS3", during = { "10s", "15s" }, catch = 0.10 },
  lost    { at_most = 0 },
  outage  { within = "100ms" },
  flaps   { "DNS3", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
