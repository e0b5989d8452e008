-- SPDX-License-Identifier: BSD-3-Clause
-- Both recursors truncate everything, so that clients get every answer over TCP.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "../../../scenarios/blog/dnsdist.conf",
  },
  recursors = { "DNS1", "DNS3", config = "../../../scenarios/blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load { rate = 2000, arrivals = "poisson", from = "100ms", to = "4s", names = zipf(500),
       timeout = "500ms" }
at "0s" { truncate = "DNS1" }
at "0s" { truncate = "DNS3" }
expect {
  even    { "DNS1", "DNS3", catch = 0.10 },
  answers { wrong = 0, duplicate = 0 },
  lost    { at_most = 0 },
}
