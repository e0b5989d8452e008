/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tests of the balancer core share: a small balancer made by hand, queries and answers for it.
 * Server i is 192.0.2.(3+i):53, clients are 192.160.102.128:40000 and on, the balancer was asked at
 * 192.160.102.2:53.
 */
#ifndef EK_TEST_BAL_RIG_H
#define EK_TEST_BAL_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/core/bal.h"
#include "lib/drbg.h"
#include "lib/host/host.h"

enum { RIG_SERVERS = 128, RIG_BYTES = 512 };

struct rig {
	struct arena arena;
	struct bal_server server[RIG_SERVERS];
	struct prefix acl[2];
	struct bal_conf conf;
	struct bal_shared *shared;
	struct bal *b;
	int64_t now_ns;
};

/* A configuration of n servers that are up, wrandom, everybody may ask. */
static inline void rig_conf(struct rig *r, unsigned n)
{
	*r = (struct rig){ .now_ns = 1 };
	MUST(n <= RIG_SERVERS && prefix_parse(&r->acl[0], "0.0.0.0/0") == 0);
	MUST(prefix_parse(&r->acl[1], "::/0") == 0);
	for (unsigned i = 0; i < n; i++) {
		bal_server_defaults(&r->server[i]);
		r->server[i].addr = (struct ep){ ip_v4(192, 0, 2, (uint8_t)(3 + i)), 53 };
		r->server[i].check.mode = BAL_CHECK_UP;
	}
	r->conf = (struct bal_conf){
		.policy = BAL_WRANDOM, .udp_timeout_ns = 2000000000, .max_outstanding = 65535,
		.server_n = n, .server = r->server, .acl_n = 2, .acl = r->acl,
	};
}

static inline void rig_start(struct rig *r, uint64_t seed_number)
{
	uint8_t seed[DRBG_SEED];

	drbg_seed_from_u64(seed, seed_number);
	MUST(host_arena(&r->arena, bal_shared_arena_size(&r->conf) +
	                           bal_shared_cache_arena_size(&r->conf) +
	                           bal_arena_size(&r->conf)) == 0);
	r->shared = bal_shared_init(&r->arena, &r->conf);
	bal_shared_cache_init(r->shared, &r->arena, &r->conf, seed);
	r->b = bal_init(&r->arena, &r->conf, r->shared, seed, 0);
	arena_seal(&r->arena);
}

static inline void rig_stop(struct rig *r)
{
	bal_check(r->b);
	host_arena_free(&r->arena);
}

/* The seed of a property test: $SEED, else the test's own. Printed, so that a failure repeats. */
static inline uint64_t rig_seed(uint64_t otherwise)
{
	const char *text = getenv("SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : otherwise;

	printf("SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static inline struct ep rig_client(unsigned i)
{
	return (struct ep){ ip_v4(192, 160, 102, (uint8_t)(128 + i % 100)), (uint16_t)(40000 + i) };
}

/* A query with RD for name (text) from client i, in buf of RIG_BYTES. edns: with an OPT record. */
static inline struct dgram rig_query(uint8_t *buf, unsigned client, uint16_t id, const char *name,
                                     bool edns)
{
	uint8_t wire[DNS_NAME_MAX];
	int name_len = dns_name_parse(wire, name);
	MUST(name_len > 0);
	int len = dns_query(buf, RIG_BYTES, id, DNS_RD, wire, (size_t)name_len, DNS_A, DNS_IN,
	                    edns ? 4096 : 0);
	MUST(len > 0);
	return (struct dgram){
		.data = buf, .len = (uint16_t)len, .cap = RIG_BYTES, .peer = rig_client(client),
		.local = { ip_v4(192, 160, 102, 2), 53 },
	};
}

/* Turns a query that was forwarded into its server's answer with rcode; port and peer stay. */
static inline void rig_turn(struct dgram *d, unsigned rcode)
{
	dns_put16(d->data + 2, (uint16_t)(DNS_QR | DNS_RA | (dns_flags(d->data) & DNS_RD) | rcode));
	d->local = (struct ep){ 0 };
	d->verdict = 0;
}

/* Adds an A record with that TTL to an answer without records. */
static inline void rig_record(struct dgram *d, uint32_t ttl)
{
	struct dns_writer w = { .m = d->data, .len = d->len, .cap = d->cap };
	size_t start = dns_w_rr(&w, DNS_A, ttl);

	dns_w_u32(&w, 0xc0000207);
	dns_w_rr_end(&w, start);
	MUST(!w.full);
	dns_put16(d->data + 6, (uint16_t)(dns_ancount(d->data) + 1));
	d->len = (uint16_t)w.len;
}

/* Hands one datagram to the core at now_ns. */
static inline enum bal_verdict rig_rx(struct rig *r, struct dgram *d)
{
	bal_rx(r->b, r->now_ns, d, 1);
	bal_check(r->b);
	return d->verdict;
}

#endif
