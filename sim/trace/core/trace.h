/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A trace: the clients' queries of a capture, to be asked again. Compact arrays, in the order of
 * time, and pure functions of them: when query i of loop k is due, how many are due in a window,
 * and clients' addresses mapped into a network. sim/trace/read.h makes one from captures.
 *
 *	for (uint64_t n = 0; n < trace_planned(t, &pace); n++)
 *		...   t0 + trace_at(t, &pace, n), &t->query[n % t->query_n]
 */
#ifndef EK_TRACE_H
#define EK_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

struct trace_query {
	int64_t t_ns;          /* from the first query, 0...; never less than the one before's */
	uint32_t at;           /* where its message begins in the trace's bytes */
	uint32_t client;       /* index into client; its address */
	uint32_t server;       /* index into server; whom it asked */
	uint32_t connection;   /* TCP: from 1, without gaps, by their first queries; UDP: 0 */
	uint16_t len;          /* of its message, DNS_HEADER...65535; without TCP's length */
	uint16_t port;         /* the client's */
	uint8_t name_len;      /* of its question's name, from DNS_HEADER on */
	bool more;             /* TCP: not the last one on its connection */
};

struct trace {
	uint32_t query_n, client_n, server_n, connection_n;
	struct trace_query *query;
	struct ip *client;     /* in ascending order (ip_cmp), each once */
	struct ep *server;     /* each once, in the order in which they came up */
	uint8_t *bytes;        /* messages, each as it was captured, its ID too */
	size_t byte_n;
	int64_t first_unix_ns; /* when the first query was captured */
};

enum {
	TRACE_QUERIES_MAX = 1 << 24,
	TRACE_ADDRESSES_MAX = 1 << 24,  /* that ask or are asked */
	TRACE_BYTES_MAX = 1 << 30,      /* of the queries' messages */
	TRACE_SPEED_ONE = 1000000,      /* speeds are in millionths: as captured */
};
#define TRACE_SPEED_MAX UINT64_C(1000000000000)

/*
 * How a trace is played. Loop k's query i is due (k * period + t_i) / speed after the start,
 * rounded down to a ns: counted from the start each time, so nothing adds up over loops or days.
 */
struct trace_pace {
	int64_t period_ns;     /* from a loop's start to the next one's, at speed 1; 1... */
	uint64_t speed;        /* in millionths, 1...TRACE_SPEED_MAX */
	uint64_t loops;        /* 1... */
};

/*
 * What a loop takes: from the first query to the last, and the mean gap between two queries, so
 * that the rate goes on. 1 s where there is no gap: one query, or all at one time.
 */
int64_t trace_period(const struct trace *t);
/* Queries in all loops. */
uint64_t trace_planned(const struct trace *t, const struct trace_pace *pace);
/* When query n of all loops is due, ns from the start; INT64_MAX: beyond what an int64_t holds. */
int64_t trace_at(const struct trace *t, const struct trace_pace *pace, uint64_t n);
/* What all loops take, in ns; INT64_MAX: longer. */
int64_t trace_lasts(const struct trace_pace *pace);
/* How many queries are due before t_ns from the start. O(log n). */
uint64_t trace_before(const struct trace *t, const struct trace_pace *pace, int64_t t_ns);
/* At least as many as are due in any window_ns, and at most those of 2 ns more. O(n). */
uint64_t trace_most(const struct trace *t, const struct trace_pace *pace, int64_t window_ns);

/*
 * Maps n different addresses in ascending order into a net: to[i] for from[i], each once. The tree
 * that the addresses make of their bits is kept, and only that: where no two of them part, a bit
 * is left out. So of three clients, the two that share the longest prefix do so afterwards too, and
 * their order stays. A bit that is set goes before the tree's, and so none gets the network's own
 * address; nor IPv4's broadcast.
 *
 * Returns 0; or -ENOSPC when the net has too few bits for hosts, *bits being the longest prefix
 * length that would do, as struct prefix counts, or negative when no net would. to may be NULL
 * to only ask. Doesn't look at the families. O(n log n).
 */
int trace_map(const struct ip *from, uint32_t n, const struct prefix *net, struct ip *to, int *bits)
	MUST_CHECK;

#endif
