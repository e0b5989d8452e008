-- SPDX-License-Identifier: BSD-3-Clause
-- Twenty seconds with nothing that breaks: what make defects searches from, conf/least.conf.
lab {
  balancers = {
    LB1 = { "192.160.102.2" }, LB2 = { "192.160.102.3" },
    config = "../../scenarios/conf/least.conf",
  },
  recursors = { "DNS1", "DNS3", config = "../../scenarios/blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 50, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  rate = 300, arrivals = "poisson", to = "20s",
  names = zipf(1000), timeout = "3s", tries = 1,
}
expect {
  policy  {},
  answers { wrong = 0, duplicate = 0 },
}
