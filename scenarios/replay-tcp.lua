-- SPDX-License-Identifier: BSD-3-Clause
-- In a capture of a dnsdist everybody was told to ask over TCP, and did, on many connections.
-- The same again, nine times as fast: are these questions spread as evenly as those over UDP,
-- and are they served while one recursor is killed and comes back?
lab {
  balancers = { LB1 = { "192.160.102.2", "2605:e200:d000::2" }, config = "blog/dnsdist.conf" },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", choose = "per_query" },
  links = { delay = "50us" },
}
load {
  replay = "../pcaps/lab/debian-tcp.pcap.gz", speed = 9, loop = 36, timeout = "2s",
}
at "9s"  { kill  = "DNS1" }
at "12s" { start = "DNS1" }
expect {
  even    { "DNS1", "DNS3", during = { "0s", "9s" }, catch = 0.10 },
  detect  { "DNS1", within = "model" },
  back    { "DNS1", within = "1500ms" },
  lost    { at_most = "model" },
  answers { wrong = 0, duplicate = 0 },
}
