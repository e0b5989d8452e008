/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random numbers: the ChaCha20 key stream (RFC 8439) under a 32-byte seed. A daemon takes its seed
 * from getrandom, a simulation from its plan; the code path is the same, so query IDs are as
 * unpredictable in service (RFC 5452 section 4.3) as they are repeatable in a test. Every draw
 * belongs to a stream (seed, purpose, index): two streams never share numbers, and dropping one
 * doesn't shift another.
 */
#ifndef EK_DRBG_H
#define EK_DRBG_H

#include <stddef.h>
#include <stdint.h>

enum { DRBG_SEED = 32, DRBG_BLOCK = 256 };

/* What a stream is for. The numbers are part of what a seed means: append, never renumber. */
enum drbg_purpose {
	DRBG_BALANCER = 1,  /* index: worker; IDs and policy */
	DRBG_HEALTH = 2,    /* index 0: probe IDs, phases */
	DRBG_RECURSOR = 3,  /* index: worker; faults */
	DRBG_ARRIVALS = 4,  /* index: load; gaps between queries */
	DRBG_NAMES = 5,     /* index: load; names */
	DRBG_CLIENTS = 6,   /* index: load; client, source port */
	DRBG_IDS = 7,       /* index: load; query IDs */
	DRBG_RETRIES = 8,   /* index: load; balancers of later tries */
	DRBG_LINK = 9,      /* index: 2 * node + direction */
	DRBG_MISS = 10,     /* index: worker; delay of a cache miss */
	DRBG_NODE = 11,     /* index: node; derives a node's own seed from the plan's */
	DRBG_CACHE_KEY = 12,/* index: a balancer's pool, else 0; hash keys */
	DRBG_TYPES = 13,    /* index: load; types of queries */
	DRBG_CHOICE = 14,   /* index: load; which balancer */
	DRBG_PORTS = 15,    /* index: node; source ports in virtual time */
	DRBG_WAKES = 16,    /* index: node; how long programs take to wake up, in virtual time */
	DRBG_TCP = 17,      /* index: worker; a balancer's IDs over TCP; later tries' servers */
	DRBG_PERTURBATION = 20, /* index 0: of a balancer's hash of names */
	DRBG_LUA = 22,      /* index: worker, or its number for checks; a balancer's math.random */
	DRBG_SEARCH = 24,   /* index 0: schedules of faults */
	DRBG_RULES = 26,    /* index: worker; chance of a balancer's rules; keys of their tables */
	DRBG_ANONYMIZE = 40, /* index 0: what replaces something in a capture (sim/pcap/core) */
	DRBG_ANONYMIZE_STEP = 41, /* index: a part of what is replaced; keys of such streams */
	DRBG_TEST = 100,    /* tests */
};

struct drbg {
	uint32_t key[8];
	uint32_t nonce[2];
	uint64_t counter;       /* of the next block of 64 bytes; block holds four */
	uint32_t used;          /* bytes of block already given; DRBG_BLOCK: none left */
	uint8_t block[DRBG_BLOCK];
};

void drbg_init(struct drbg *r, const uint8_t seed[DRBG_SEED], enum drbg_purpose purpose,
               uint32_t index);
/* A seed made of a number, for plans and tests: the number little-endian, then zeros. */
void drbg_seed_from_u64(uint8_t seed[DRBG_SEED], uint64_t n);
void drbg_bytes(struct drbg *r, void *out, size_t len);
uint16_t drbg_u16(struct drbg *r);
uint32_t drbg_u32(struct drbg *r);
uint64_t drbg_u64(struct drbg *r);
/* Uniform in [0, bound), without bias; bound >= 1. */
uint64_t drbg_below(struct drbg *r, uint64_t bound);

#endif
