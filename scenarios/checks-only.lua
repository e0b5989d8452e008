-- SPDX-License-Identifier: BSD-3-Clause
-- A recursor that answers health checks but not clients. Nobody takes it out, so half of all
-- queries get no answer for as long as it lasts: is it that half and not more, do the checks
-- really see nothing, and is somebody always answered all the same?
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
at "5s"  { drop = "DNS1", spare = "checks" }
at "10s" { drop = "DNS1", ratio = 0 }
expect {
  even    { "DNS1", "DNS3", catch = 0.10 },
  lost    { at_most = "model" },
  outage  { within = "model" },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
