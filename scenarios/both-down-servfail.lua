-- SPDX-License-Identifier: BSD-3-Clause
-- Both recursors die, and the balancers are told to say so (setServFailWhenNoServer). Are
-- clients told at once, with SERVFAIL, from the moment on at which the balancers know; and is
-- what they aren't told no more than the time until then explains?
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/servfail.conf",
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
  answers { wrong = 0, duplicate = 0, error = 0, during = { "0s", "5s" } },
  answers { wrong = 0, duplicate = 0, error_least = 4400, during = { "7.1s", "12s" } },
}
