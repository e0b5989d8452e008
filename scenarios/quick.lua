-- SPDX-License-Identifier: BSD-3-Clause
-- One failure and one return in less than four seconds, small enough for a million seeds: does
-- it hold whatever the order of what happens? A fault of timing may show in one run of
-- thousands. Checks time out after 200 ms, so death is noticed within 1.2 s.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/quick-checks.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 150, arrivals = "poisson", to = "3600ms",
  names = zipf(200), timeout = "300ms", tries = 1,
}
at "300ms" { kill  = "DNS3" }
at "2s"    { start = "DNS3" }
expect {
  detect  { "DNS3", within = "model" },
  back    { "DNS3", within = "1200ms" },
  lost    { at_most = "model" },
  outage  { within = "model" },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
