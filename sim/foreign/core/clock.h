/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How far the clocks of several captures are apart, from packets that are in two of them: a query
 * is later at the server than at the balancer by the way between them, an answer is earlier by as
 * much. So the difference of two clocks lies between the least difference of queries' times and the
 * greatest of answers' (Cristian, 1989: the same bound from one round trip). Pure; memory from an
 * arena at init.
 */
#ifndef EK_FOREIGN_CLOCK_H
#define EK_FOREIGN_CLOCK_H

#include "lib/arena.h"
#include "lib/lru.h"
#include "sim/capture/core/dissect.h"

enum { CLOCK_LINKS = 256, CLOCK_PACKETS = 1 << 18, CLOCK_PLACES = 3 };

/* Times in file b less those in file a, a < b, of the same packets. */
struct clock_link {
	uint32_t a, b;
	uint64_t asks, answers;
	int64_t ask_min, ask_max, answer_min, answer_max;
};

/* A packet, and in which files it was seen. Once more in one of them, it is another packet. */
struct clock_packet {
	unsigned n;
	uint32_t file[CLOCK_PLACES];
	int64_t t_ns[CLOCK_PLACES];
};

struct clocks {
	uint32_t file_n;
	struct lru seen;
	struct clock_packet *packet; /* by slot */
	unsigned link_n;
	uint64_t unlinked;           /* packets of pairs of files for which there was no room */
	struct clock_link link[CLOCK_LINKS];
};

size_t clocks_arena_size(void);
void clocks_init(struct clocks *c, struct arena *a, uint32_t file_n, uint64_t seed);
/* A message with a question, between a balancer and a server. */
void clocks_see(struct clocks *c, const struct capture_message *m);

/* One file's clock. */
struct clock_file {
	bool known;          /* some packet ties it to the first file, maybe by way of others */
	bool drifts;         /* no one difference explains all packets */
	int64_t ahead_ns;    /* of the first file's; 0 where that explains all packets */
	int64_t unsure_ns;   /* it may be this much more or less */
};

/* out[0..file_n). */
void clocks_solve(const struct clocks *c, struct clock_file *out);

#endif
