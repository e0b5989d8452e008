-- SPDX-License-Identifier: BSD-3-Clause
-- A recursor dies, and the balancers are told to answer SERVFAIL when a query's time is over
-- (setServFailOnTimeout). Does every client hear something within its own time-out, is nobody
-- left in silence, and do errors end once the balancers know?
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/timeout-servfail.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 1000, arrivals = "poisson", to = "15s",
  names = zipf(1000), timeout = "3s", tries = 1,
}
at "5s"  { kill  = "DNS1" }
at "10s" { start = "DNS1" }
expect {
  detect  { "DNS1", within = "model" },
  back    { "DNS1", to = "share", within = "3s", catch = 0.10 },
  lost    { at_most = "model" },
  outage  { within = "model" },
  answers { wrong = 0, duplicate = 0, error = 0, during = { "0s", "4.9s" } },
  answers { wrong = 0, duplicate = 0, error_least = 300, during = { "5s", "7.1s" } },
  answers { wrong = 0, duplicate = 0, error = 0, during = { "7.1s", "15s" } },
}
