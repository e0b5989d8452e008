-- SPDX-License-Identifier: BSD-3-Clause
-- Lazy health checks: while clients' queries fare well nobody is probed; once a fifth of a
-- server's last hundred failed, it is. One recursor dies, later the other one hangs. How
-- much later than by checks of every second is that noticed, and how late is the return?
-- What one learns: a query fails when its two seconds are over, so lazy checks notice two
-- seconds and a little later than others, and all of these queries are lost; and a server
-- that is back waits for the next probe, which is as far away as
-- lazyHealthCheckFailedInterval says.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/lazy.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 1000, arrivals = "poisson", to = "34s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "5s"  { kill   = "DNS1" }
at "13s" { start  = "DNS1" }
at "20s" { hang   = "DNS3" }
at "28s" { resume = "DNS3" }
expect {
  even    { "DNS1", "DNS3", during = { "0s", "5s" }, catch = 0.10 },
  detect  { "DNS1", within = "model" },
  detect  { "DNS3", within = "model" },
  back    { "DNS1", to = "share", within = "4s", catch = 0.10 },
  back    { "DNS3", to = "share", within = "4s", catch = 0.10 },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  lost    { at_most = "model" },
  answers { wrong = 0, duplicate = 0 },
}
