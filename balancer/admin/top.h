/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The console's topQueries, topClients and topResponses: what comes most often among the latest
 * queries or answers that the workers kept (setRingBuffersSize). Only reads what it is given.
 */
#ifndef EK_BALANCER_TOP_H
#define EK_BALANCER_TOP_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/addr.h"
#include "lib/dns.h"

/* A query or an answer that was kept. */
struct top_entry {
	struct ip client;
	uint8_t rcode;                 /* of an answer */
	uint8_t name_len;
	uint8_t name[DNS_NAME_MAX];    /* wire form, as asked */
};

enum top_by { TOP_NAME = 1, TOP_CLIENT };

enum { TOP_LABELS = 128, TOP_ANY_RCODE = -1, TOP_ROWS_MAX = 100000 };

/*
 * Writes the `rows` most frequent of e[0..n), one a line: rank, what, how often, which part of all;
 * and a line for the rest. labels: as many of a name's last ones count, TOP_LABELS: all. rcode: of
 * answers with that one alone. What comes equally often is in the order of its text.
 */
void top_show(FILE *to, const struct top_entry *e, size_t n, enum top_by by, unsigned labels,
              int rcode, unsigned rows);

#endif
