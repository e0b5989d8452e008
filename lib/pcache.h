/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A cache of packets, shared by the threads of a program: answers keyed by the query that they
 * answer. Reading takes no lock (a sequence number per bucket tells a reader that a writer was
 * there), memory is bounded and taken once, and init costs nothing whatever the capacity, because
 * memory that isn't touched isn't there. What doesn't fit is not inserted; the caller counts it.
 * Nothing here reads a clock: time is an argument.
 *
 * Entries live in blocks of 128 bytes to 8 KiB, cut out of slabs of one size each. A bucket has
 * seven places; a full one gives up its entry that expires first.
 */
#ifndef EK_PCACHE_H
#define EK_PCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "dns.h"

enum {
	PCACHE_KEY_MAX = 512,     /* bytes of a key; a longer query isn't cached */
	PCACHE_ENTRY_MAX = 8192,  /* bytes of an entry: 32, key and value each rounded up to 8 */
};

struct pcache;

struct pcache_conf {
	uint32_t entries;  /* at most so many, 1...2^30 */
	uint64_t bytes;    /* memory for entries; 0: 512 for each */
	uint64_t secret;   /* key of the hash, unknown to who chooses names */
};

size_t pcache_arena_size(const struct pcache_conf *conf);
struct pcache *pcache_init(struct arena *a, const struct pcache_conf *conf);

struct pcache_key {
	uint64_t hash;
	uint16_t len;
	uint8_t b[PCACHE_KEY_MAX];
};

/* The hash of a key's bytes under the cache's secret. */
uint64_t pcache_hash(const struct pcache *c, const uint8_t *p, size_t len);
/*
 * The key of a query: the whole message but its ID, the name's case folded, without the EDNS
 * options Cookie (RFC 7873) and Client Subnet (RFC 7871), UDP and TCP (tcp) apart. q, e: its
 * question and EDNS. False when the query is too long to be cached.
 */
bool pcache_key_query(struct pcache_key *k, const struct pcache *c, const uint8_t *m, size_t len,
                      const struct dns_question *q, const struct dns_edns *e, bool tcp) MUST_CHECK;
/* EDNS options that a key may leave out, because they differ from client to client. */
enum { PCACHE_SKIP_ECS = 1, PCACHE_SKIP_COOKIE = 2 };
/* The same, without the options that skip names and no others. */
bool pcache_key_packet(struct pcache_key *k, const struct pcache *c, const uint8_t *m, size_t len,
                       const struct dns_question *q, const struct dns_edns *e, bool tcp,
                       unsigned skip) MUST_CHECK;
/* The key of a name, case folded, and a type: for caches of records. */
void pcache_key_name(struct pcache_key *k, const struct pcache *c, const uint8_t *name,
                     const struct dns_question *q);

/* What was found. */
struct pcache_hit {
	uint16_t len;      /* bytes of the value */
	int64_t age_ns;    /* since it was put, >= 0 */
	int64_t left_ns;   /* until it expires, > 0 */
};

/*
 * Copies the value under k into out[0..cap). False when there is none, it has expired at now_ns, or
 * cap is too small. Safe beside any other call. O(1).
 */
bool pcache_get(const struct pcache *c, const struct pcache_key *k, int64_t now_ns, uint8_t *out,
                size_t cap, struct pcache_hit *hit) MUST_CHECK;

enum pcache_put {
	PCACHE_NEW,       /* inserted */
	PCACHE_REPLACED,  /* inserted; an entry with the same key is gone */
	PCACHE_EVICTED,   /* inserted; an entry of another key is gone */
	PCACHE_TOO_BIG,   /* not inserted: above PCACHE_ENTRY_MAX */
	PCACHE_FULL,      /* not inserted: no memory, or no room found nearby */
	PCACHE_BUSY,      /* not inserted: another thread was writing to the bucket */
	PCACHE_NO_TTL,    /* not inserted: ttl_ns <= 0 */
	PCACHE_OUTCOMES,
};

/* Puts a value in for ttl_ns from now_ns on. Safe beside any other call. O(1). */
enum pcache_put pcache_put(struct pcache *c, const struct pcache_key *k, int64_t now_ns,
                           int64_t ttl_ns, const uint8_t *value, size_t len);

/* An entry as pcache_next copies it, without its value. */
struct pcache_entry {
	struct pcache_key key;
	int64_t put_ns, expiry_ns;
	uint16_t len;              /* bytes of the value */
};
/* Zero at the start. */
struct pcache_cursor {
	uint64_t bucket;
	unsigned way;
};
/*
 * The next entry, expired or not; false: that was all. Safe beside any other call: what was there
 * from first to last is met once, what came or went meanwhile perhaps. O(capacity) for all.
 */
bool pcache_next(const struct pcache *c, struct pcache_cursor *at, struct pcache_entry *e);
/* Removes the entry of a key. False: there was none. Safe beside any other call. O(1). */
bool pcache_remove(struct pcache *c, const struct pcache_key *k);
/*
 * The console's ways to empty it, pcache_expunge.c. Until `leave` entries are left, these take away
 * any; those that have expired. Return how many went. O(capacity).
 */
uint64_t pcache_expunge(struct pcache *c, uint64_t leave);
uint64_t pcache_purge(struct pcache *c, int64_t now_ns, uint64_t leave);
/*
 * Those that answer a query for the name (wire form) and type; type 255 (ANY): any; suffix: for the
 * names below it, too. For keys of queries.
 */
uint64_t pcache_expunge_name(struct pcache *c, const uint8_t *name, size_t name_len, uint16_t type,
                             bool suffix);
/* Entries that there is room for. */
uint32_t pcache_max(const struct pcache *c);
/* Removes everything. Safe beside gets and puts; O(capacity). Returns how many there were. */
uint64_t pcache_wipe(struct pcache *c);
/* Entries in it, expired ones that nobody replaced yet included. */
uint32_t pcache_count(const struct pcache *c);
/* Asserts the invariants; no other thread may be at it. O(capacity). */
void pcache_check(const struct pcache *c);

/*
 * The least TTL of a message's records (OPT apart) in seconds; UINT32_MAX when it has none. The
 * question ends at q_end.
 */
uint32_t pcache_min_ttl(const uint8_t *m, size_t len, size_t q_end);
/* Takes age_s seconds off each record's TTL (OPT apart), down to 0. */
void pcache_age(uint8_t *m, size_t len, size_t q_end, uint32_t age_s);
/* Gives each record (OPT apart) that TTL. */
void pcache_set_ttl(uint8_t *m, size_t len, size_t q_end, uint32_t ttl);

#endif
