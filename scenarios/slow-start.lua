-- SPDX-License-Identifier: BSD-3-Clause
-- A recursor comes back with an empty cache, as in cold-cache.lua, but its balancers let its
-- share grow over ten seconds (setSlowStart). Is it spared at first, has it its whole share
-- when they are over, and does the gentleness cost anybody an answer?
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/slow-start.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 1000, arrivals = "poisson", to = "30s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "3s" { kill  = "DNS3" }
at "8s" { start = "DNS3" }
expect {
  even      { "DNS1", "DNS3", during = { "0s", "3s" }, catch = 0.10 },
  overshoot { "DNS3", at_most = 0.6, within = "1.5s" },
  back      { "DNS3", to = "share", within = "12s", catch = 0.10 },
  lost      { at_most = "model" },
  flaps     { "DNS1", "DNS3", at_most = 0 },
  answers   { wrong = 0, duplicate = 0, error = 0 },
}
