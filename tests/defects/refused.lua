-- SPDX-License-Identifier: BSD-3-Clause
-- A recursor is killed, and its host refuses what comes for it. Three failed checks must pass
-- before it is out. The load is so low that the host has refusals left for the checks: Linux gives
-- one peer six at once and one a second from then on.
lab {
  balancers = {
    LB1 = { "192.160.102.2" }, LB2 = { "192.160.102.3" },
    config = "../../scenarios/conf/patient.conf",
  },
  recursors = { "DNS1", "DNS3", config = "../../scenarios/blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 60, arrivals = "poisson", to = "60s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "10s" { kill  = "DNS1" }
at "16s" { start = "DNS1" }
at "25s" { kill  = "DNS1" }
at "31s" { start = "DNS1" }
at "40s" { kill  = "DNS1" }
at "46s" { start = "DNS1" }
expect {
  detect  { "DNS1", within = "model" },
  lost    { at_most = "model" },
  answers { wrong = 0, duplicate = 0 },
}
