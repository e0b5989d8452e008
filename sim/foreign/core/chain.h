/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files that are pieces of one capture: a capturing program begins a new one now and then (tcpdump
 * -C, -G), and each goes on where another ended, about the same hosts. Pure.
 */
#ifndef EK_FOREIGN_CHAIN_H
#define EK_FOREIGN_CHAIN_H

#include "who.h"

/* What a file tells of. last_ns < first_ns: of nothing. */
struct chain_file {
	int64_t first_ns, last_ns;   /* of its messages */
	uint64_t balancers, fronts;  /* bit b: of balancer b, and of its clients' queries */
	uint64_t backends[WHO_BACKENDS / 64]; /* bit s: queries to server s */
};

enum {
	CHAIN_GAP_S = 10,            /* a piece begins at most so long after another one's end */
	CHAIN_SHORT_S = 10,          /* a piece of less may lack some of the hosts */
};

/*
 * tap[i]: the first piece of the capture that f[i] is a piece of; i when it is none's. Returns how
 * many pieces go on with another one. O(n^2).
 */
uint32_t chain_files(const struct chain_file *f, uint32_t n, uint32_t *tap);

#endif
