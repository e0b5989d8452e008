-- SPDX-License-Identifier: BSD-3-Clause
-- A link that loses six packets of a hundred each way, and health checks that wait for three
-- failures in a row: they hardly ever change their minds, and clients that try twice lose
-- hardly anything. dnsdist once counted failures that weren't in a row; then the server is out
-- again and again for no reason, and the load isn't even. With checks that believe one failure
-- it is out and in all the time: --set lab.balancers.config=blog/dnsdist.conf, and plan says
-- how often. In virtual time only, for its length.
engines = { "virtual" }
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/patient.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us", DNS3 = { loss = 0.06 } },
}
load {
  rate = 400, arrivals = "poisson", to = "200s",
  names = zipf(1000), timeout = "1s", tries = 2,
}
expect {
  even    { "DNS1", "DNS3", catch = 0.05 },
  lost    { at_most = 400 },
  flaps   { "DNS1", "DNS3", at_most = 24 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
