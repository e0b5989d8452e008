-- SPDX-License-Identifier: BSD-3-Clause
-- The silent loss of silent-loss.lua, avoided: the balancers are told at their consoles to
-- give a recursor nothing new before it is restarted, and told again when it is back. The
-- same restart, as fast, now has to cost nothing at all. dnsdist has no such command: for it
-- see set-down.lua.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/console.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 1000, arrivals = "poisson", to = "10s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "4s"   { drain   = "DNS3" }
at "5s"   { kill    = "DNS3" }
at "5.3s" { start   = "DNS3" }
at "7s"   { undrain = "DNS3" }
expect {
  even    { "DNS1", "DNS3", during = { "0s", "4s" }, catch = 0.10 },
  lost    { at_most = 0 },
  outage  { within = "100ms" },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
