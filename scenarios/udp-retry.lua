-- SPDX-License-Identifier: BSD-3-Clause
-- A recursor hangs, and the balancers ask the other one, too, for what isn't answered within
-- 300 ms (setUDPRetry). Does the time until the hang is noticed cost nobody an answer, is each
-- answer right and given once, and is the share even before?
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/udp-retry.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 1000, arrivals = "poisson", to = "15s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "5s"  { hang   = "DNS1" }
at "10s" { resume = "DNS1" }
expect {
  even    { "DNS1", "DNS3", during = { "0s", "5s" }, catch = 0.10 },
  detect  { "DNS1", within = "model" },
  back    { "DNS1", to = "share", within = "3s", catch = 0.10 },
  lost    { at_most = "model" },
  latency { quantile = 0.99, within = "350ms" },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
