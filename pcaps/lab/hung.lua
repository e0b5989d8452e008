-- SPDX-License-Identifier: BSD-3-Clause
-- A recursor hangs and goes on.
lab {
  balancers = { LB1 = { "192.160.102.2" }, config = "../../scenarios/blog/dnsdist.conf" },
  recursors = { "DNS1", "DNS3", config = "../../scenarios/blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 20, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 40, arrivals = "poisson", to = "8s",
  names = zipf(40), types = { A = 0.6, AAAA = 0.3, MX = 0.1 }, timeout = "1s",
}
at "2s" { hang   = "DNS1" }
at "5s" { resume = "DNS1" }
expect {
  detect  { "DNS1" },
  back    { "DNS1", within = "2500ms" },
  answers { wrong = 0, duplicate = 0 },
}
limits { send_late_p999 = "20ms", send_late_max = "50ms", loop_gap = "50ms", slack = "50ms" }
