-- SPDX-License-Identifier: BSD-3-Clause
-- A recursor is killed. An operator who acts on what the balancers say starts it again three
-- seconds after the last of them has noticed. What does it cost the clients? He learns that
-- whatever is lost is lost before the balancers notice: nobody asks a server that is marked
-- down, so he needn't hurry; and that it is in use again within the checks' own time.
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
  rate = 1000, arrivals = "poisson", to = "17s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "5s" { kill = "DNS1" }
at { when = down "DNS1", plus = "3s" } { start = "DNS1" }
expect {
  even    { "DNS1", "DNS3", during = { "0s", "5s" }, catch = 0.10 },
  detect  { "DNS1", within = "model" },
  back    { "DNS1", to = "share", within = "3s", catch = 0.10 },
  lost    { at_most = "model" },
  answers { wrong = 0, duplicate = 0 },
}
