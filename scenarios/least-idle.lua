-- SPDX-License-Identifier: BSD-3-Clause
-- Least outstanding, with little to do: nobody ever has anything outstanding, so every query is
-- a tie and the same server wins it. One gets nearly everything, the other one sits there, and
-- that is right: the policy levels work, not counts. Who wants counts to be even chooses
-- another one.
lab {
  balancers = {
    LB1 = { "192.160.102.2", "2605:e200:d000::2" },
    LB2 = { "192.160.102.3", "2605:e200:d000::3" },
    config = "conf/least.conf",
  },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 50, arrivals = "poisson", to = "20s",
  names = zipf(200), timeout = "2s", tries = 1,
}
expect {
  policy  {},
  lost    { at_most = 0 },
  flaps   { "DNS1", "DNS3", at_most = 0 },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
