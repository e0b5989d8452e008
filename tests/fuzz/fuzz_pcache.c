/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the packet cache with one message: its key, its TTLs, and a round trip through a tiny
 * cache. The bug that EK_PLANT plants reads an EDNS option past its end.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/host/host.h"
#include "lib/pcache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pcache *cache;

static struct pcache *the_cache(void)
{
	const struct pcache_conf conf = { .entries = 8, .secret = 1 };
	static struct arena a;

	if (cache == NULL) {
		MUST(host_arena(&a, pcache_arena_size(&conf)) == 0);
		cache = pcache_init(&a, &conf);
	}
	return cache;
}

static void round_trip(const struct pcache_key *k, const uint8_t *m, size_t len)
{
	static uint8_t out[65536];
	struct pcache_hit hit;
	enum pcache_put put = pcache_put(the_cache(), k, 5, 10, m, len);

	if (put > PCACHE_EVICTED)
		return;
	MUST(pcache_get(cache, k, 5, out, sizeof(out), &hit));
	MUST(hit.len == len && memcmp(out, m, len) == 0);
	MUST(!pcache_get(cache, k, 15, out, sizeof(out), &hit));
	pcache_check(cache);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_question q;
	struct dns_edns e;
	struct pcache_key k;

	if (size > UINT16_MAX || dns_question(&q, data, size) < 0)
		return 0;
	uint8_t *m = malloc(size);
	MUST(m != NULL);
	memcpy(m, data, size);
	uint32_t least = pcache_min_ttl(m, size, q.end);
	pcache_age(m, size, q.end, 7);
	if (least != UINT32_MAX)
		MUST(pcache_min_ttl(m, size, q.end) == (least > 7 ? least - 7 : 0));
	if (dns_edns(&e, data, size, q.end) == 0 &&
	    pcache_key_query(&k, the_cache(), data, size, &q, &e, size & 1))
		round_trip(&k, m, size);
	free(m);
	return 0;
}
