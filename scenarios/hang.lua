-- SPDX-License-Identifier: BSD-3-Clause
-- A recursor hangs: its process is stopped, its port stays open, nothing refuses a query and
-- nothing answers one. Do the balancers notice a server that is silent instead of gone, how
-- many queries does it swallow, and what becomes of those that wait in its socket when it goes
-- on?
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
at "5s"  { hang   = "DNS3" }
at "10s" { resume = "DNS3" }
expect {
  even    { "DNS1", "DNS3", during = { "0s", "5s" }, catch = 0.10 },
  detect  { "DNS3", within = "model" },
  back    { "DNS3", to = "share", within = "3s", catch = 0.10 },
  lost    { at_most = "model" },
  answers { wrong = 0, duplicate = 0 },
}
