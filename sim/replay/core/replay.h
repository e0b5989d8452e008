/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A trace's queries sent to one server: which is due when, from which socket and under which ID it
 * goes, which answer belongs to which. The three functions of lib/dgram.h, and a few for TCP.
 *
 * Outside of a lab nobody has the clients' addresses, so they share some UDP sockets, one client's
 * port always the same. A query keeps its ID unless another of its socket is out under it. Queries
 * of one connection of the capture go over one connection, opened REPLAY_LEAD_NS before the first
 * of them is due and closed when all are settled; it is opened again when the server ended it in
 * between.
 *
 * Every query of every loop is given out once:
 *	sent = answered + timed_out + given_up + failed + unsent + open
 */
#ifndef EK_REPLAY_H
#define EK_REPLAY_H

#include "flight.h"
#include "lib/dgram.h"
#include "lib/hist.h"
#include "sim/trace/core/trace.h"

enum {
	REPLAY_SOCKETS = 16,        /* UDP's: ports 0...15 */
	REPLAY_CONNECTIONS = 4096,  /* TCP's at once */
	REPLAY_RCODES = 16,
};
#define REPLAY_RATE_MAX UINT64_C(100000000)
#define REPLAY_LEAD_NS INT64_C(100000000)

struct replay_options {
	const struct trace *trace;  /* borrowed; at least one query */
	struct trace_pace pace;
	bool max;                   /* as fast as may be: pace.speed doesn't matter */
	uint32_t in_flight;         /* max: queries out at once, 1...2^19 */
	uint64_t rate;              /* queries a second at most, 1...REPLAY_RATE_MAX; 0: no limit */
	int64_t timeout_ns;         /* for an answer, 1... */
};

enum replay_verdict {
	REPLAY_SEND = 1,    /* from poll: a query; TCP: over connection conn, opened if it isn't */
	REPLAY_OPEN,        /* from poll: connection conn will be wanted; no query */
	REPLAY_CLOSE,       /* from poll: connection conn is over; no query */
	REPLAY_ANSWERED,    /* from rx */
	REPLAY_UNMATCHED,   /* from rx: late, twice, or not what was asked */
	REPLAY_BROKEN,      /* from rx: not a DNS answer */
	REPLAY_VERDICTS,
};

struct replay_counts {
	uint64_t planned;      /* of all loops */
	uint64_t sent;         /* given out */
	uint64_t tcp;          /* of these, over TCP */
	uint64_t connections;  /* opened for them, those opened again too */
	uint64_t answered, timed_out;
	uint64_t given_up;     /* too many were out: the oldest isn't waited for any more */
	uint64_t failed;       /* over TCP: no connection, or it ended before the answer */
	uint64_t unsent;       /* the system refused to send it */
	uint64_t open;         /* out */
	uint64_t unmatched, broken;
	uint64_t truncated;    /* answers with TC; these aren't asked again over TCP */
	uint64_t renumbered;   /* queries with another ID than in the capture */
	uint64_t delayed;      /* queries that the rate limit made late */
	int64_t delayed_ns_max;
	uint64_t rcode[REPLAY_RCODES];
};

struct replay;

size_t replay_arena_size(const struct replay_options *o);
/* t0_ns: monotonic, when the first query is due. O(queries) where there are connections. */
struct replay *replay_init(struct arena *a, const struct replay_options *o, int64_t t0_ns);
/*
 * Answers: port as poll gave it for UDP, conn for TCP, t_ns when they arrived. The sender's address
 * is for the shell to see to.
 */
void replay_rx(struct replay *r, int64_t now_ns, struct dgram *d, unsigned n);
/*
 * What is due. d[0].cap is 65535; the others' may be less, and a query that doesn't fit ends the
 * batch, to be the next one's first: so there is no more when it is empty. t_ns is when it was due:
 * the capture's time, or when the limit allowed it; with max, now. data, t_ns and len of
 * REPLAY_OPEN and REPLAY_CLOSE say nothing.
 */
unsigned replay_poll(struct replay *r, int64_t now_ns, struct dgram *d, unsigned max);
int64_t replay_deadline(const struct replay *r);
/* When the next query is due, without what else there is to do; INT64_MAX: not by time alone. */
int64_t replay_due(const struct replay *r);
/* Connection conn couldn't be opened, or ended: what is out over it has failed. */
void replay_tcp_failed(struct replay *r, uint32_t conn);
/* The query that poll gave out for this port and ID couldn't be sent. */
void replay_unsent(struct replay *r, uint16_t port, uint16_t id);
/* Whether the query that poll gave out as d is still out: its connection hasn't failed since. */
bool replay_is_out(const struct replay *r, const struct dgram *d);
/* No more queries are to be sent. */
void replay_stop(struct replay *r);
/* All is sent and settled. */
bool replay_done(const struct replay *r);
void replay_counts(const struct replay *r, struct replay_counts *c);
/* Times to answers, from what poll's now_ns was. */
const struct hist *replay_latency(const struct replay *r);
/* Asserts conservation. O(open). */
void replay_check(const struct replay *r);

#endif
