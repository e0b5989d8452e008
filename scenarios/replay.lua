-- SPDX-License-Identifier: BSD-3-Clause
-- Queries that were captured, over UDP and TCP, asked again twice as fast and seven times over:
-- would they have been served evenly, and through the death and return of a recursor? Put your
-- own capture in its place; clients = "map" finds addresses in the lab for its clients.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/wide.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = { "10.0.0.0/8", "192.160.102.128/25" }, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  replay = "../pcaps/office/clients.pcap.gz", speed = 2, loop = 7,
  clients = "original", to = "balancers", timeout = "2s", tries = 1,
}
at "5s" { kill  = "DNS1" }
at "9s" { start = "DNS1" }
expect {
  even    { "DNS1", "DNS3", during = { "0s", "5s" }, catch = 0.10 },
  detect  { "DNS1", within = "model" },
  back    { "DNS1", to = "share", within = "3s", catch = 0.10 },
  lost    { at_most = "model" },
  answers { wrong = 0, duplicate = 0 },
}
