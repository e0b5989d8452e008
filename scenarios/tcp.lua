-- SPDX-License-Identifier: BSD-3-Clause
-- A recursor truncates all its answers, and clients ask again over TCP; the other one is killed
-- meanwhile. Do clients get their answers, is the load even with TCP under way, and do the
-- balancers leave the dead recursor's connections and find back to it?
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
at "0s"  { truncate = "DNS3" }
at "5s"  { kill  = "DNS1" }
at "10s" { start = "DNS1" }
expect {
  even    { "DNS1", "DNS3", during = { "0s", "5s" }, catch = 0.10 },
  detect  { "DNS1", within = "model" },
  back    { "DNS1", to = "share", within = "3s", catch = 0.10 },
  lost    { at_most = "model" },
  answers { wrong = 0, duplicate = 0 },
}
