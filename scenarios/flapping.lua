-- SPDX-License-Identifier: BSD-3-Clause
-- A recursor that dies and comes back ten times, each time for as long as it takes to be
-- noticed and a little more. Is each death noticed and each return, does nothing else flap, and
-- does the whole cost no more than ten times a single failure?
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
  rate = 500, arrivals = "poisson", to = "110s",
  names = zipf(1000), timeout = "2s", tries = 1,
}
for i = 0, 9 do
  at(("%ds"):format(5 + 10 * i))  { kill  = "DNS1" }
  at(("%ds"):format(10 + 10 * i)) { start = "DNS1" }
end
expect {
  even    { "DNS1", "DNS3", catch = 0.10 },
  detect  { "DNS1", within = "model" },
  back    { "DNS1", within = "3s" },
  lost    { at_most = "model" },
  outage  { within = "model" },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  overshoot { "DNS1", at_most = 0.98 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
