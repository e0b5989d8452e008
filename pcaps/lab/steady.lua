-- SPDX-License-Identifier: BSD-3-Clause
-- A quiet day.
lab {
  balancers = { LB1 = { "192.160.102.2" }, config = "../../scenarios/blog/dnsdist.conf" },
  recursors = { "DNS1", "DNS3", config = "../../scenarios/blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 20, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 80, arrivals = "poisson", to = "6s",
  names = zipf(40), types = { A = 0.6, AAAA = 0.3, MX = 0.1 }, timeout = "1s",
}
expect { answers { wrong = 0, duplicate = 0 } }
limits { send_late_p999 = "20ms", send_late_max = "50ms", loop_gap = "50ms", slack = "50ms" }
