-- SPDX-License-Identifier: BSD-3-Clause
-- A balancer dies, and clients know no second try. Whoever asks it is lost while it is away: is
-- it half of all queries, and not one more?
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
  rate = 1000, arrivals = "poisson", to = "20s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "5s"  { kill  = "LB1" }
at "12s" { start = "LB1" }
expect {
  back    { "LB1", within = "500ms" },
  lost    { at_most = "model" },
  outage  { within = "model" },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
