-- SPDX-License-Identifier: BSD-3-Clause
-- Health checks that are patient: three failures in a row before a server is out, two good
-- answers before it is in. What does that cost when a recursor really hangs: is it noticed
-- within the longer bound, is it used again within the longer one, and is no more lost than
-- that?
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/patient.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 500, arrivals = "poisson", to = "20s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
at "5s"  { hang   = "DNS1" }
at "12s" { resume = "DNS1" }
expect {
  detect  { "DNS1", within = "model" },
  back    { "DNS1", within = "4s" },
  lost    { at_most = "model" },
  outage  { within = "model" },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
