-- SPDX-License-Identifier: BSD-3-Clause
-- A run small enough to keep its captures: one recursor is killed after a second and comes back.
lab {
  balancers = { LB1 = { "192.160.102.2" }, LB2 = {"192.160.102.3"}, config = "blog/dnsdist.conf" },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 20, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 100, arrivals = "poisson", to = "7s",
  names = zipf(40), timeout = "1s", tries = 1,
}
at "1s" { kill = "DNS1" }
at "4s" { start = "DNS1" }
expect {
  detect  { "DNS1", within = "model" },
  back    { "DNS1", within = "1500ms" },
  lost    { at_most = "model" },
  answers { wrong = 0, duplicate = 0 },
  cache   { hits = 0.5, within = "1ms" },
}
limits { send_late_p999 = "100ms", send_late_max = "100ms", loop_gap = "100ms" }
