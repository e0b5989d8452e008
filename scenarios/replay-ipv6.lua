-- SPDX-License-Identifier: BSD-3-Clause
-- What IPv6 clients asked on a quiet day, in a capture of PowerDNS Recursors behind a dnsdist,
-- asked again with the clients' addresses mapped into a network of the lab's, prefixes kept:
-- would one recursor that hangs have been noticed in time, and who would have waited?
lab {
  balancers = { LB1 = { "192.160.102.2", "2605:e200:d000::2" }, config = "blog/dnsdist.conf" },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "2605:e200:d00f::/64", choose = "per_query" },
  links = { delay = "50us" },
}
load {
  replay = "../pcaps/lab/debian-ipv6.pcap.gz", speed = 6, loop = 16,
  clients = "map", timeout = "2s",
}
at "8s"  { hang   = "DNS3" }
at "12s" { resume = "DNS3" }
expect {
  even    { "DNS1", "DNS3", during = { "0s", "8s" }, catch = 0.10 },
  detect  { "DNS3", within = "model" },
  back    { "DNS3", within = "1500ms" },
  lost    { at_most = "model" },
  answers { wrong = 0, duplicate = 0 },
}
