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
	MODEL(MODEL_SEND, 100000, "ns", "from a query's planned time until it leaves the client",  \
	      "median of send_late_p50_us, 20 netns runs")                                         \
	MODEL(MODEL_BALANCER_PACKET, 2400, "ns", "a balancer's processor time for one datagram",   \
	      "saturated, make bench")                                                             \
	MODEL(MODEL_RECURSOR_PACKET, 2300, "ns", "a recursor's time for a query and its answer",   \
	      "saturated, make bench")                                                             \
	MODEL(MODEL_RECURSOR_START, 12000000, "ns", "from fork to READY=1 of recursor-stub",       \
	      "tests/model.py of netns runs")                                                      \
	MODEL(MODEL_BALANCER_START, 16000000, "ns", "from fork to the first probes of balancer",   \
	      "tests/model.py of netns runs")                                                      \
	MODEL(MODEL_SOCKET_QUEUE, 9000, "datagrams",                                               \
	      "what the sockets of a program that doesn't look take",                              \
	      "a stub that hung at a high rate as root: 9,049 of 17,217 kept, an 8 MiB buffer")    \
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

/*
 * How long an idle program takes to wake up and look at what has come, in us: the quantiles at
 * 0, 1/16 ... 15/16 and a last value for the tail; linear in between. WAKE(id, prose, 17 values);
 * from netns runs (tests/model.py), where wake-ups were disturbed by all that runs beside.
 */
#define WAKE_TABLE(WAKE)                                                                           \
	WAKE(WAKE_FORWARD, "a balancer, by a client's query",                                      \
	     12, 27, 33, 42, 60, 76, 92, 104, 118, 130, 140, 151, 166, 183, 206, 260, 450)         \
	WAKE(WAKE_RETURN, "a balancer, by a server's answer",                                      \
	     10, 25, 27, 30, 36, 45, 56, 70, 86, 92, 98, 105, 115, 131, 154, 199, 400)             \
	WAKE(WAKE_QUERY, "a recursor, by a query",                                                 \
	     12, 28, 32, 38, 46, 54, 66, 81, 94, 102, 110, 117, 129, 145, 171, 226, 450)           \
	WAKE(WAKE_TIMER, "a recursor, by the end of a miss",                                       \
	     60, 143, 163, 178, 192, 207, 222, 234, 246, 260, 276, 295, 318, 348, 395, 490, 900)

enum wake {
#define WAKE(id, prose, ...) id,
	WAKE_TABLE(WAKE)
#undef WAKE
	WAKES,
};

enum { WAKE_STEPS = 16 };

#define MODEL(id, value, unit, prose, source) static const long id = value;
MODEL_TABLE(MODEL)
#undef MODEL

#endif
