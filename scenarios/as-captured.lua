-- SPDX-License-Identifier: BSD-3-Clause
-- Captured queries asked again, and answered as they were captured, misses after the time that
-- they took then: does every client get the answer that it got, also while a recursor dies and
-- returns? Here it is what Debian's PowerDNS Recursor said; put your own capture in its place.
lab {
  balancers = { LB1 = { "192.160.102.2", "2605:e200:d000::2" }, config = "conf/wide.conf" },
  recursors = {
    "DNS1", "DNS3",
    config = "blog/recursor.conf", miss = "20ms",
    answers = "../pcaps/lab/debian-steady.pcap.gz", delays = true,
  },
  clients = { net = { "10.0.0.0/8", "192.160.102.128/25" }, choose = "per_query" },
  links = { delay = "50us" },
}
load {
  replay = "../pcaps/lab/debian-steady.pcap.gz", speed = 4, loop = 7,
  clients = "map", to = "balancers", timeout = "2s", tries = 1,
}
at "3s" { kill  = "DNS1" }
at "7s" { start = "DNS1" }
expect {
  detect  { "DNS1", within = "model" },
  lost    { at_most = "model" },
  answers { wrong = 0, duplicate = 0, error = 0 },
}
