-- SPDX-License-Identifier: BSD-3-Clause
-- Both recursors die at once and come back one after the other. How long is nobody answered,
-- are all queries of that time lost and none beyond it, and does the first one that returns end
-- it?
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
  rate = 1000, arrivals = "poisson", to = "25s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "5s"  { kill  = "DNS1" }
at "5s"  { kill  = "DNS3" }
at "12s" { start = "DNS3" }
at "17s" { start = "DNS1" }
expect {
  detect  { "DNS1", within = "model" },
  detect  { "DNS3", within = "model" },
  back    { "DNS3", within = "3s" },
  back    { "DNS1", within = "3s" },
  lost    { at_most = "model" },
  outage  { within = "model" },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
