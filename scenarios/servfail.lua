-- SPDX-License-Identifier: BSD-3-Clause
-- One recursor answers SERVFAIL to everything, checks included. Fast and wrong: does it attract
-- queries, or is it taken out as if it were dead? The clients' errors until then are counted,
-- and nothing is lost.
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
at "5s"  { servfail = "DNS3" }
at "10s" { servfail = "DNS3", ratio = 0 }
expect {
  even    { "DNS1", "DNS3", during = { "0s", "5s" }, catch = 0.10 },
  lost    { at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 1200 },
}
