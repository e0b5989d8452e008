/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clients. Two parts, both pure. load_gen is the stream of planned queries, a function of the
 * plan's load and seed alone: the judge runs it too, to know what should have been sent and when.
 * The load core sends them (lib/dgram.h's three functions), matches answers, tries again and goes
 * to TCP after TC.
 */
#ifndef EK_LOAD_H
#define EK_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/arena.h"
#include "lib/dgram.h"
#include "lib/dns.h"
#include "sim/plan/plan.h"

/* One planned query. */
struct load_query {
	uint64_t index;            /* 0... in the order of time */
	int64_t t_ns;              /* planned send time, from t = 0 */
	struct ip client;
	uint16_t source;           /* index of the client node's socket, 0...LOAD_SOCKETS-1 */
	uint16_t id;               /* DNS ID of the first try */
	uint16_t type, class;
	uint32_t connection;       /* TCP: from 1, the same for all queries on one; 0: UDP */
	bool more;                 /* TCP: another query follows on it */
	unsigned balancer;         /* index among the plan's balancers */
	unsigned target;           /* the same, as load_gen_balancer counts */
	struct ep to;              /* that balancer's address of the load's family, port 53 */
	uint64_t number;           /* what the name is made of: rank from 0, or the query's index;
	                              captured: the index */
	uint16_t name_len;
	uint8_t name[DNS_NAME_MAX];
};

enum { LOAD_SOCKETS = 16, LOAD_CONNECTIONS_MAX = 1 << 30 };

struct load_gen;
/*
 * Why this load can't be generated, as a sentence, or NULL when it can. Whoever didn't make the
 * plan himself asks before the functions below, which take it for granted.
 */
const char *load_gen_refuses(const struct plan *p, unsigned load);
size_t load_gen_arena_size(const struct plan *p, unsigned load);
/* load: index into plan.load. p is borrowed for the generator's life. */
struct load_gen *load_gen_init(struct arena *a, const struct plan *p, unsigned load);
/* The next query, or false at the load's end. O(1). */
bool load_gen_next(struct load_gen *g, struct load_query *q);
/*
 * Address of client i, 0...clients-1: the nets of the load's family in order, each from its second
 * address (the first is the network's own, or the routers' anycast) to its last (IPv4: but one). A
 * host prefix is its own address.
 */
struct ip load_client(const struct plan *p, unsigned load, unsigned i);
/*
 * The captured message whose ID is to be replaced, its bytes the plan's; NULL: the load's queries
 * are drawn. And what struct load_query says of a query by its number.
 */
const uint8_t *load_gen_captured(const struct load_gen *g, uint64_t number, uint16_t *len);
uint16_t load_gen_class(const struct load_gen *g, uint64_t number);
uint32_t load_gen_connection(const struct load_gen *g, uint64_t number, bool *more);
/* The wire name made of number, as in struct load_query. Returns its length. */
uint16_t load_gen_name(const struct load_gen *g, uint64_t number, uint8_t out[DNS_NAME_MAX]);
/*
 * An ID for a later try from a socket: one that no first try has there among the 8,192 before and
 * the 8,192 to come, so that the two are never mistaken for each other; nor any of the last 8,192
 * later tries. Of a drawn load that has more than that within a try's time-out, as many, and an
 * eighth: up to 14,336, which is 100,000 a second and a time-out of 2 s. O(1).
 */
uint16_t load_gen_spare_id(struct load_gen *g, unsigned source);
/* How many balancers have an address of the load's family, and the i-th of them. */
unsigned load_gen_balancers(const struct load_gen *g);
struct ep load_gen_balancer(const struct load_gen *g, unsigned i, unsigned *balancer);

struct load;

enum load_verdict {
	LOAD_SEND = 1,      /* from poll: a query; TCP (proto) when an answer was truncated, or it
	                       was captured so: its connection's last one */
	LOAD_SEND_MORE,     /* from poll: a query over TCP, after which others will come on it */
	LOAD_ANSWERED,      /* from rx: the answer of an open query; final, whatever its rcode */
	LOAD_TRUNCATED,     /* from rx: TC over UDP; goes out over TCP at the next poll */
	LOAD_UNMATCHED,     /* from rx: late, duplicate, wrong sender or spoofed */
	LOAD_BROKEN,        /* from rx: not a DNS answer */
	LOAD_VERDICTS,
};

/* planned = sent = answered + timed_out + open. */
struct load_counts {
	uint64_t planned;   /* queries whose time has come and that poll gave out */
	uint64_t sent;      /* first tries */
	uint64_t retries;
	uint64_t tcp;
	uint64_t answered;
	uint64_t timed_out; /* queries with no answer after the last try */
	uint64_t open;
	uint64_t unmatched;
	uint64_t broken;
};

/* A captured connection's number, which may have several queries; others have one. */
#define LOAD_CONN_SHARED UINT32_C(0x80000000)

enum { LOAD_QUERY_MAX = 1232 }; /* no query is longer */

/* As load_gen_arena_size, with room for all that can be open: rate * timeout * tries and a tail. */
size_t load_arena_size(const struct plan *p, unsigned load);
/*
 * Logical ports: 0...LOAD_SOCKETS-1 are UDP sockets bound to nothing but a port; local is the
 * client's address, which the shell must send from. t0_ns: monotonic time of t = 0. The plan has
 * passed load_gen_refuses.
 */
struct load *load_init(struct arena *a, const struct plan *p, unsigned load, int64_t t0_ns);
/*
 * Answers: port, local and peer as they came, or with DGRAM_TCP their connection. One that comes at
 * its try's deadline or later is unmatched.
 */
void load_rx(struct load *l, int64_t now_ns, struct dgram *d, unsigned n);
/*
 * Queries that are due, each in a buffer of at least LOAD_QUERY_MAX. d[i].t_ns is when each was
 * due, so the shell can measure lateness; conn is 0 for a query's first try, UINT32_MAX for a later
 * one, and with DGRAM_TCP the number of the connection to open, or with LOAD_CONN_SHARED that may
 * be open already: its messages and its failure are told with it. A try's deadline is
 * t_ns + timeout, its TCP part's that of the UDP part.
 */
unsigned load_poll(struct load *l, int64_t now_ns, struct dgram *d, unsigned max);
int64_t load_deadline(const struct load *l);
/*
 * A TCP connection that was refused, reset or closed before its answers: the tries on it have
 * failed. O(1); for captured connections O(open).
 */
void load_tcp_failed(struct load *l, int64_t now_ns, uint32_t conn);
void load_counts(const struct load *l, struct load_counts *c);
/* True when every planned query was sent and none is open. */
bool load_done(const struct load *l);
/* Asserts conservation and the order of the first few entries. O(1). */
void load_check(const struct load *l);

#endif
