/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the virtual engine takes for granted about hosts, kernels and programs: one table, each
 * value with its unit, what it means, and where it comes from. "netns run" is blog.lua in network
 * namespaces on two virtual processors of a Xeon (Linux 6.18, Debian 12); `make fidelity` holds
 * model and namespaces against each other. The values are constants: only the plan's seed makes two
 * runs differ.
 */
#ifndef EK_VIRTUAL_MODEL_H
#define EK_VIRTUAL_MODEL_H

/* MODEL(id, value, unit, prose, source) */
#define MODEL_TABLE(MODEL)                                                                         \
	MODEL(MODEL_SEND, 97000, "ns", "from a query's planned time until it leaves the client",   \
	      "median of send_late_p50_us, 20 netns runs")                                         \
	MODEL(MODEL_BALANCER_WAKE, 80000, "ns",                                                    \
	      "from a datagram's arrival at an idle balancer until it is looked at",               \
	      "median time between a query's arrival and its forward, netns run")                  \
	MODEL(MODEL_BALANCER_PACKET, 2400, "ns", "a balancer's processor time for one datagram",   \
	      "saturated, make bench")                                                             \
	MODEL(MODEL_RECURSOR_WAKE, 80000, "ns", "the same of a recursor",                          \
	      "median time between a query's arrival and its answer from cache, netns run")        \
	MODEL(MODEL_RECURSOR_PACKET, 2300, "ns", "a recursor's time for a query and its answer",   \
	      "saturated, make bench")                                                             \
	MODEL(MODEL_RECURSOR_START, 9300000, "ns", "from fork to READY=1 of recursor-stub",        \
	      "events.jsonl of netns runs")                                                        \
	MODEL(MODEL_BALANCER_START, 12000000, "ns", "from fork to the first probes of balancer",   \
	      "events.jsonl of netns runs")                                                        \
	MODEL(MODEL_SOCKET_QUEUE, 256, "datagrams", "what the sockets of a hung program take",     \
	      "answers after a resume, hang.lua, netns run")                                       \
	MODEL(MODEL_KERNEL, 20000, "ns", "from a datagram to a closed port until its refusal",     \
	      "netns run")                                                                         \
	MODEL(MODEL_ICMP_BURST, 6, "messages", "port unreachable to one address in a burst",       \
	      "Linux, inet_peer_xrlim_allow: XRLIM_BURST_FACTOR")                                  \
	MODEL(MODEL_ICMP4_GAP, 1000000000, "ns", "then one to an IPv4 address in this time",       \
	      "Linux, net.ipv4.icmp_ratelimit")                                                    \
	MODEL(MODEL_ICMP6_GAP, 62500000, "ns", "and one to an IPv6 address behind a default route",\
	      "Linux, icmpv6_xrlim_allow: net.ipv6.icmp.ratelimit by prefix length")               \
	MODEL(MODEL_ICMP_ALL_BURST, 50, "messages", "port unreachable of one host in a burst",     \
	      "Linux, net.ipv4.icmp_msgs_burst")                                                   \
	MODEL(MODEL_ICMP_ALL_GAP, 1000000, "ns", "then one in this time",                          \
	      "Linux, net.ipv4.icmp_msgs_per_sec")                                                 \
	MODEL(MODEL_SYN_RETRY, 1000000000, "ns",                                                   \
	      "a SYN that wasn't answered is sent again, then after twice that, and so on",        \
	      "RFC 6298; Linux, TCP_TIMEOUT_INIT")                                                 \
	MODEL(MODEL_LEAD, 100000000, "ns", "from the last readiness to t = 0", "the netns engine") \
	MODEL(MODEL_BARRIER, 10000000000, "ns", "longest wait for all to be ready",                \
	      "the netns engine")

#define MODEL(id, value, unit, prose, source) static const long id = value;
MODEL_TABLE(MODEL)
#undef MODEL

#endif
