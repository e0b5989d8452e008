/* SPDX-License-Identifier: BSD-3-Clause */
/* What the core's own files share: its state, and one query on its way. Nobody else's business. */
#ifndef EK_RECURSOR_REC_IMPL_H
#define EK_RECURSOR_REC_IMPL_H

#include <stdatomic.h>

#include "lib/drbg.h"
#include "lib/pcache.h"
#include "rec.h"
#include "wait.h"

struct rec_shared {
	struct pcache *packets;
	struct pcache *records;
	_Atomic uint32_t fault_ppm[REC_FAULTS];
	_Atomic int64_t slow_ns;
	_Atomic uint64_t spare[REC_FAULTS]; /* rec_spare_hash of a name it spares; 0: none */
	_Atomic uint32_t faulty;     /* faults that are on; 0: nothing is drawn */
};

struct rec {
	const struct rec_conf *conf;
	struct rec_shared *shared;
	struct drbg faults, misses;
	struct wait wait;
	uint64_t taken;              /* datagrams in */
	uint64_t later;              /* answered by rec_poll */
	uint64_t verdict[REC_VERDICTS];
	_Atomic uint64_t count[REC_COUNTERS];
	uint8_t answer[REC_ANSWER_MAX];
};

/* What the faults do to one query. */
struct rec_luck {
	bool hit[REC_FAULTS];
	int64_t slow_ns;
};

/* One query on its way. */
struct rec_query {
	struct dgram *d;
	int64_t now_ns;
	struct dns_question q;
	struct dns_edns e;
	struct rec_luck luck;
	bool cacheable;              /* key is set */
	struct pcache_key key;
};

void rec_add(struct rec *r, enum rec_counter c, uint64_t n);

/* Draws the faults of one query, whose question is q in m. */
void rec_luck(struct rec *r, const uint8_t *m, const struct dns_question *q,
              struct rec_luck *luck);
/* Spoils the answer m[0..len) provably: changes its data, or confuses its rcode. */
void rec_spoil(uint8_t *m, size_t len);
/* Cuts the answer down to its question, with TC; returns its new length. */
size_t rec_truncate(uint8_t *m, size_t len);

#endif
