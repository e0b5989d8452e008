/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The descriptor of one message, and the seam between cores and shells. A shell fills descriptors
 * from its sockets and hands a batch to a core; the core judges each in place and sets a verdict;
 * the shell carries the verdicts out. Output that time alone makes due is pulled with the same
 * descriptors. Buffers belong to the caller and a core keeps no pointer after the call returns.
 *
 * Every node has the same three functions:
 *
 *   void     x_rx(struct x *, int64_t now_ns, struct dgram *d, unsigned n);
 *       Judges d[0..n) in place. At most one message out for each one in.
 *   unsigned x_poll(struct x *, int64_t now_ns, struct dgram *d, unsigned max);
 *       Writes what time alone made due (timeouts, probes, delayed answers) into d[0..max), whose
 *       data and cap the caller has set. Returns how many it wrote; fewer than max means no more.
 *   int64_t  x_deadline(const struct x *);
 *       When x_poll next has work; INT64_MAX: never.
 *
 * now_ns never decreases from call to call. One batch of 64 and 64 batches of one must give the
 * same bytes.
 */
#ifndef EK_DGRAM_H
#define EK_DGRAM_H

#include <stdint.h>

#include "addr.h"
#include "must.h"

enum { DGRAM_BATCH = 64 };

enum dgram_proto { DGRAM_UDP = 0, DGRAM_TCP = 1 };

struct dgram {
	uint8_t *data;    /* the DNS message; caller's buffer, cap bytes long */
	int64_t t_ns;     /* arrival, monotonic; for output: when it was due */
	struct ep peer;   /* the other side: sender of input, receiver of output */
	struct ep local;  /* our side: the address that was asked, or to send from */
	uint16_t len;     /* bytes in data */
	uint16_t cap;     /* bytes that data can hold; a core never writes more */
	uint16_t port;    /* logical port: 0 the front, 1... what the core's header says */
	uint8_t verdict;  /* out: the core's own enum; 0 is never a verdict */
	uint8_t proto;    /* enum dgram_proto */
	uint32_t conn;    /* with DGRAM_TCP: the shell's number of the connection, from 1 */
};

STATIC_MUST(sizeof(struct dgram) == 64);

#endif
