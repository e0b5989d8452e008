-- SPDX-License-Identifier: BSD-3-Clause
-- Packets come twice: first on the link of a recursor, where the balancers must take the first
-- answer and drop the second, so that clients see nothing; then on the link of a balancer,
-- where clients do get answers twice. Is there never a duplicate before, and nothing worse than
-- duplicates after?
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
  rate = 1000, arrivals = "poisson", to = "17s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "3s"  { duplicate = "DNS3", ratio = 0.2 }
at "8s"  { heal      = "DNS3" }
at "10s" { duplicate = "LB1", ratio = 0.2 }
at "15s" { heal      = "LB1" }
expect {
  even    { "DNS1", "DNS3", during = { "0s", "10s" }, catch = 0.10 },
  lost    { at_most = 0 },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0, during = { "0s", "9.9s" } },
  answers { wrong = 0, duplicate = 1500, error = 0, during = { "9.9s", "17s" } },
}
