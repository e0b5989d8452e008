-- SPDX-License-Identifier: BSD-3-Clause
-- Made clients.pcap.gz: queries that a script wrote, asked by the lab's clients; see ../README.md.
lab {
  balancers = { LB1 = { "192.160.102.2", "2605:e200:d000::2" },
                LB2 = { "192.160.102.3", "2605:e200:d000::3" },
                config = "../../scenarios/blog/dnsdist.conf" },
  recursors = { "DNS1", "DNS3", config = "../../scenarios/blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25" },
  links = { delay = "50us" },
}
load { replay = "asked.pcap" }
expect { answers { wrong = 0, duplicate = 0, error = 0 }, lost { at_most = 0 } }
