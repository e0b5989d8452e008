-- SPDX-License-Identifier: BSD-3-Clause
-- Health checks over TCP. One recursor dies: its kernel refuses the next check's connection.
-- Another one is cut off from the network: no SYN to it is ever answered. Is either noticed
-- within the bound of the configuration, and are both used again as soon as a check's
-- connection and answer say so? What one learns: such a check says whether the server
-- answers over TCP, with one more round trip, and it stands for UDP as little as a check
-- over UDP stands for TCP.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/tcp-checks.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 1000, arrivals = "poisson", to = "22s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "5s"  { kill      = "DNS1" }
at "9s"  { start     = "DNS1" }
at "14s" { blackhole = "DNS3" }
at "18s" { heal      = "DNS3" }
expect {
  even    { "DNS1", "DNS3", during = { "0s", "5s" }, catch = 0.10 },
  detect  { "DNS1", within = "model" },
  detect  { "DNS3", within = "model" },
  back    { "DNS1", to = "share", within = "3s", catch = 0.10 },
  back    { "DNS3", to = "share", within = "3s", catch = 0.10 },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  lost    { at_most = "model" },
  answers { wrong = 0, duplicate = 0 },
}
