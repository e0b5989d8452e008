-- SPDX-License-Identifier: BSD-3-Clause
-- All that comes over UDP is truncated, so clients ask again over TCP.
lab {
  balancers = { LB1 = { "192.160.102.2" }, config = "tcp.conf" },
  recursors = { "DNS1", "DNS3", config = "../../scenarios/blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 20, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 20, arrivals = "poisson", to = "4s",
  names = zipf(40), types = { A = 0.6, AAAA = 0.3, MX = 0.1 }, timeout = "1s",
}
limits { send_late_p999 = "20ms", send_late_max = "50ms", loop_gap = "50ms", slack = "50ms" }
