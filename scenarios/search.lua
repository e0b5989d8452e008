-- SPDX-License-Identifier: BSD-3-Clause
-- The reference set-up, ten seconds of it, with nothing that breaks yet: what evenkeel search
-- starts from. Which order of faults, that nobody thought of, brings out a query to a dead
-- recursor, a wrong answer, or load that isn't even?
--   evenkeel search --faults kill,hang,blackhole --runs 1000 scenarios/search.lua
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
  rate = 500, arrivals = "poisson", to = "10s",
  names = zipf(1000), timeout = "1s", tries = 2,
}
expect {
  even    { "DNS1", "DNS3", catch = 0.10 },
  lost    { at_most = 0 },
  answers { wrong = 0, duplicate = 0 },
}
