/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The recursor stub's core: one per worker. It answers from a packet cache, from a cache of
 * records, or after a drawn delay that stands for asking authoritative servers; the answers are
 * answer.h's, or were captured (book.h). Where it has a choice it does what PowerDNS Recursor 4.8
 * does. See lib/dgram.h for the three functions.
 *
 * A logical port is a socket of the shell's: the answer has the port of its query. A TCP message is
 * a datagram with proto and conn set. Buffers hold at least REC_ANSWER_MAX bytes (then nothing is
 * cut that needn't be).
 *
 * The life of a query: allow-from; header; question and EDNS; faults; packet cache; record cache
 * and root hints; else it waits. A question that somebody else waits for already gets its answer at
 * the same moment (PowerDNS's chains). The answer goes into both caches when the wait is over.
 * Names of root servers and the root's NS are known from the start, as hints, so a health check
 * never waits. RD isn't looked at. Health checks suffer from faults as everybody
 * does, unless a fault spares their name.
 */
#ifndef EK_RECURSOR_REC_H
#define EK_RECURSOR_REC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "book.h"
#include "lib/arena.h"
#include "lib/dgram.h"
#include "lib/dist.h"

struct rec;
struct rec_shared;

/* An entry of allow-from. The longest prefix that holds the client decides. */
struct rec_allow {
	struct prefix prefix;
	bool deny;                  /* written with a '!' */
};

/* Immutable; borrowed for the core's life. Zero is never a default: rec_conf_init. */
struct rec_conf {
	const struct rec_allow *allow;
	unsigned allow_n;           /* 0: everybody is refused */
	bool packetcache;
	bool cold;                  /* each query waits for a miss of its own: no hints, no
	                               record cache, no chains; packetcache must be false */
	uint32_t packetcache_entries; /* at most, over all workers; >= 1 */
	uint32_t packetcache_ttl;   /* seconds at most */
	uint32_t packetcache_servfail_ttl;
	uint32_t cache_entries;     /* names and types; >= 1 */
	uint32_t cache_ttl;         /* seconds at most */
	uint32_t negative_ttl;
	uint32_t waiting;           /* queries that may wait, per worker; 1...65536 */
	uint16_t udp_size;          /* bytes of an answer over UDP at most, 512... */
	const struct dist *miss;    /* what a miss costs; NULL: nothing */
	const struct rec_book *book; /* captured answers; NULL: all are made */
	bool book_delays;           /* a miss that the book has takes as long as captured */
};

/* PowerDNS's defaults: its private networks, 500,000 packets, 1,000,000 records, no delay. */
void rec_conf_init(struct rec_conf *c);

/* What all workers share: the caches, and which faults are on. */
size_t rec_shared_arena_size(const struct rec_conf *conf);
struct rec_shared *rec_shared_init(struct arena *a, const struct rec_conf *conf,
                                   const uint8_t seed[32]);

size_t rec_arena_size(const struct rec_conf *conf);
/* worker: this core's index, for its streams. O(1) in the caches' sizes. */
struct rec *rec_init(struct arena *a, const struct rec_conf *conf, struct rec_shared *shared,
                     const uint8_t seed[32], uint32_t worker);

enum rec_verdict {
	REC_NO_VERDICT = 0,
#define VERDICT(id, name, sends, prose) id,
#include "verdict.def"
#undef VERDICT
	REC_VERDICTS,
};

void rec_rx(struct rec *r, int64_t now_ns, struct dgram *d, unsigned n);
unsigned rec_poll(struct rec *r, int64_t now_ns, struct dgram *d, unsigned max);
int64_t rec_deadline(const struct rec *r);
/* True when a client may connect over TCP; counts it when not. */
bool rec_accept(struct rec *r, const struct ip *client);

enum rec_fault {
#define FAULT(id, name, prose) id,
#include "fault.def"
#undef FAULT
	REC_FAULTS,
};

/*
 * Switches a fault on for ppm millionths of the queries from now on; 0: off. extra_ns: how much
 * later with REC_F_SLOW. Each fault is drawn on its own; the first in fault.def's order that hits
 * counts, and slow, wrong and truncate may come together. What a fault did is never cached. Safe
 * from any thread.
 */
void rec_fault(struct rec_shared *s, enum rec_fault f, uint32_t ppm, int64_t extra_ns);
/*
 * The fault spares queries for this name, in wire form, whatever their type: a health check's, say.
 * len 0: it spares none, as at first. Safe from any thread.
 */
void rec_fault_spares(struct rec_shared *s, enum rec_fault f, const uint8_t *name, size_t len);
const char *rec_fault_name(enum rec_fault f);
const char *rec_fault_prose(enum rec_fault f);

/* Empties both caches. Safe from any thread. Returns how many packets and records there were. */
void rec_wipe(struct rec_shared *s, uint64_t *packets, uint64_t *records);
uint32_t rec_packets(const struct rec_shared *s);
uint32_t rec_records(const struct rec_shared *s);

enum rec_counter {
#define COUNTER(id, name, prose) id,
#include "counter.def"
#undef COUNTER
	REC_C_FAULT,                                 /* + enum rec_fault */
	REC_COUNTERS = REC_C_FAULT + REC_FAULTS,
};

/* Safe from any thread. */
uint64_t rec_count(const struct rec *r, enum rec_counter c);
/* The name as get-all prints it; of a fault's counter only the fault's own name. */
const char *rec_counter_name(enum rec_counter c);
const char *rec_counter_prose(enum rec_counter c);

const char *rec_verdict_name(enum rec_verdict v);
const char *rec_verdict_prose(enum rec_verdict v);
bool rec_verdict_sends(enum rec_verdict v);
/* How often rec_rx gave verdict v, and how many of the waiting rec_poll answered. */
uint64_t rec_verdicts(const struct rec *r, enum rec_verdict v);
uint64_t rec_answered_later(const struct rec *r);
/* Asserts the invariants, conservation among them: waited = answered later + waiting. */
void rec_check(const struct rec *r);

#endif
