/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the virtual engine takes for granted about hosts, kernels and programs: one table, each
 * value with its unit, what it means, and where it comes from. "netns run" is blog.lua in network
 * namespaces on two virtual processors of a Xeon (Linux 6.18, Debian 12); `make fidelity` holds
 * model and namespaces against each other. The values are constants: only the plan's seed makes two
 * runs differ. Machines differ by how soon a program wakes up and starts, so a plan may say that:
 * lab.wake in the terms of MODEL_SEND, and lab.balancer_wake, lab.balancer_start and so on for the
 * programs. All that is a wake-up is scaled by it.
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
	MODEL(MODEL_TIMER, 60000, "ns",                                                            \
	      "of WAKE_TIMER: what a timer is late on any machine, fast or slow",                  \
	      "Linux's default timer slack of 50 us, and misses in netns runs on a Xeon with "     \
	      "lags of 18 to 22 us")                                                               \
	MODEL(MODEL_COLD, 400000, "ns",                                                            \
	      "what the first query after a balancer's start takes longer, on the average; "       \
	      "evenly from nothing to twice that: its memory is touched for the first time",       \
	      "24 balancers in netns runs: 330 us in the median, as later ones take 60")           \
	MODEL(MODEL_RESUME, 51000, "ns",                                                           \
	      "what each datagram in the sockets of a program that goes on takes until it is "     \
	      "answered, as many at once fill the wire too; where in them the last health check "  \
	      "is, chance decides; a wake-up as others are, so of a run's factor",                 \
	      "netns runs of hang.lua and second-failure.lua: 13 us where recursors have 0.255")\
	MODEL(MODEL_DAY_LEAST, 500, "thousandths", "the factor of all wake-ups of a run, at least",\
	      "p50 of latency over 80 netns runs")                                                 \
	MODEL(MODEL_DAY_MOST, 1100, "thousandths", "and at most; evenly drawn", "the same")        \
	MODEL(MODEL_DAY_WORK, 140, "thousandths",                                                  \
	      "the factor of a machine whose timers aren't late: its processors' part",            \
	      "the line through two machines: p50 of latency over 80 netns runs on an EPYC with "  \
	      "lags of 38 to 64 us, and tests/model.py of runs on a Xeon with 18 to 22 us")        \
	MODEL(MODEL_DAY_LAG, 420, "thousandths", "what a lag of MODEL_SEND adds to it", "the same")\
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
 * How long an idle program takes to wake up and look at what has come, in us: WAKE(id, prose,
 * quantiles at 0, 1/16 ... 15/16, and of what is above that again at 0, 1/16 ... 1), linear in
 * between, but cubic in the last: few are near the longest. From netns runs (tests/model.py), where
 * all programs share two processors; slow days differ from good ones, so all of a run's are
 * multiplied by one factor that its seed draws.
 */
#define WAKE_TABLE(WAKE)                                                                           \
	WAKE(WAKE_FORWARD, "a balancer, by a client's query",                                      \
	     11, 30, 37, 46, 61, 78, 92, 104, 116, 129, 140, 153, 167, 186, 211, 266,              \
	     266, 272, 280, 288, 298, 309, 322, 337, 356, 375, 400, 426, 464, 523, 625, 928, 4000) \
	WAKE(WAKE_RETURN, "a balancer, by a server's answer",                                      \
	     8, 27, 32, 36, 40, 47, 59, 74, 88, 96, 104, 116, 124, 140, 167, 217,                  \
	     217, 222, 229, 235, 243, 250, 258, 268, 280, 296, 315, 342, 378, 426, 506, 696, 4000) \
	WAKE(WAKE_QUERY, "a recursor, by a query",                                                 \
	     11, 31, 36, 42, 49, 57, 70, 85, 97, 106, 115, 125, 137, 156, 185, 244,                \
	     244, 249, 255, 264, 274, 283, 294, 310, 326, 350, 377, 412, 456, 523, 633, 927, 4600) \
	WAKE(WAKE_TIMER, "a recursor, by the end of a miss",                                       \
	     40, 148, 168, 185, 203, 217, 231, 244, 258, 275, 293, 311, 335, 367, 414, 512,        \
	    512, 520, 535, 547, 565, 583, 605, 635, 670, 705, 795, 885, 975, 1250, 1580, 2000, 3500)

enum wake {
#define WAKE(id, prose, ...) id,
	WAKE_TABLE(WAKE)
#undef WAKE
	WAKES,
};

enum { WAKE_STEPS = 16, WAKE_POINTS = 2 * WAKE_STEPS + 1 };

#define MODEL(id, value, unit, prose, source) static const long id = value;
MODEL_TABLE(MODEL)
#undef MODEL

#endif
