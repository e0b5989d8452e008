/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes a trace of captures: which of their messages are clients' queries, in the order of time.
 *
 *	kept     a query (QR clear, opcode QUERY) with one question that can be read, to one of the
 *	         servers; where none are named, from an address that nobody else asks
 *	why so   a capture that has both sides of a balancer has clients' queries twice, the second
 *	         time from the balancer, which is itself asked; so it has a balancer's health checks
 *	copy     a query over UDP with the addresses, ports and bytes of one that came less than
 *	         TRACE_COPY_NS before: two files, or two interfaces, have the same packet. It is
 *	         kept once. Clients that ask again with the same ID wait for longer
 *
 * One pass, so standard input will do. Memory goes with the queries that are kept and with
 * addresses, up to the limits in trace.h; more is refused. With a limit reading stops where it is
 * reached, so who is asked only afterwards isn't known as a server.
 */
#ifndef EK_TRACE_READ_H
#define EK_TRACE_READ_H

#include "sim/capture/capture.h"
#include "sim/trace/core/trace.h"

#define TRACE_COPY_NS INT64_C(10000000)

struct trace_options {
	struct capture_options capture; /* files, ports and a filter of packets */
	const struct prefix *server;    /* whose queries are kept: those to these */
	unsigned server_n;              /* 0: to all, but from servers */
	unsigned family;                /* 4 or 6: only its queries; 0: both */
	uint16_t longest;               /* bytes of a message that is kept; 0: any */
	uint64_t limit;                 /* so many queries from the start are kept; 0: all */
	/* Called now and then with the bytes read and all (0: not known); NULL: not. */
	void (*progress)(void *arg, uint64_t done, uint64_t all);
	void *arg;
};

/* What became of the capture's messages; they add up to all that were read. */
struct trace_counts {
	uint64_t kept;
	uint64_t answers;
	uint64_t others;       /* not one readable question, another opcode, too long */
	uint64_t family;       /* of the other family */
	uint64_t servers;      /* from a server, or to one that isn't named */
	uint64_t copies;       /* of a query that is kept */
};

/*
 * Returns 0; or, with one line in error: what capture_open says; -ENODATA when no query is kept;
 * -E2BIG when there are too many. What is read up to a file's broken place is kept: then trouble
 * (CAPTURE_ERROR_TEXT bytes, or NULL) says where and what, otherwise it is empty. On success t is
 * to be freed.
 */
int trace_read(struct trace *t, struct trace_counts *counts, const struct trace_options *o,
               char *trouble, char error[CAPTURE_ERROR_TEXT]) MUST_CHECK;
/* Frees what t holds, not t; all zero will do. */
void trace_free(struct trace *t);

#endif
