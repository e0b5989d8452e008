-- SPDX-License-Identifier: BSD-3-Clause
-- The reference set-up as its operator ran it: three days at sixteen queries a second, and each
-- recursor taken down once a day for ten minutes. Do both get an equal eight a second, to half
-- a point; is every single failure noticed, and every return; does the cache pay at so low a
-- rate? In virtual time only: nobody waits three days for a test.
engines = { "virtual" }
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
  rate = 16, arrivals = "poisson", to = "3d",
  names = zipf(1000), timeout = "2s", tries = 2,
}
for day = 0, 2 do
  at(("%dh"):format(24 * day + 6))      { kill  = "DNS1" }
  at(("%dmin"):format(60 * (24 * day + 6) + 10)) { start = "DNS1" }
  at(("%dh"):format(24 * day + 18))     { kill  = "DNS3" }
  at(("%dmin"):format(60 * (24 * day + 18) + 10)) { start = "DNS3" }
end
expect {
  even    { "DNS1", "DNS3", catch = 0.005 },
  detect  { "DNS1", within = "model" },
  detect  { "DNS3", within = "model" },
  back    { "DNS1", within = "3s" },
  back    { "DNS3", within = "3s" },
  lost    { at_most = "model" },
  answers { wrong = 0, duplicate = 0, error = 0 },
  outage  { within = "model" },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  cache   { hits = 0.5, within = "1ms" },
}
