/* SPDX-License-Identifier: BSD-3-Clause */
/* Token buckets without locks; see limit.h. */
#include "limit.h"

#include "lib/dns.h"

enum { WAYS = 8 };

size_t limits_arena_size(const struct bal_rules *rules)
{
	size_t size = arena_need(rules->limit_n, sizeof(struct limit));

	for (unsigned i = 0; i < rules->limit_n; i++)
		if (rules->limit[i].by_client)
			size += arena_need(BAL_LIMIT_PLACES, sizeof(struct limit_place));
	return size;
}

struct limit *limits_init(struct arena *a, const struct bal_rules *rules)
{
	struct limit *l = arena_take(a, rules->limit_n, sizeof(*l));

	for (unsigned i = 0; i < rules->limit_n; i++)
		if (rules->limit[i].by_client)
			l[i].place = arena_take(a, BAL_LIMIT_PLACES, sizeof(*l[i].place));
	return l;
}

static bool take(_Atomic int64_t *full_ns, const struct bal_limit *conf, int64_t now_ns)
{
	int64_t full = atomic_load_explicit(full_ns, memory_order_relaxed), next;

	if (conf->gap_ns == 0)
		return false;
	do {
		next = (full > now_ns ? full : now_ns) + conf->gap_ns;
		if (next - now_ns > conf->burst_ns)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(full_ns, &full, next,
	                                                memory_order_relaxed,
	                                                memory_order_relaxed));
	return true;
}

/* The place of the key, or one that has nothing to say any more, then the key's; NULL: neither. */
static struct limit_place *place_of(struct limit *l, uint64_t key, int64_t now_ns)
{
	struct limit_place *first = &l->place[(key >> 32) % (BAL_LIMIT_PLACES / WAYS) * WAYS];

	for (unsigned i = 0; i < WAYS; i++)
		if (atomic_load_explicit(&first[i].key, memory_order_relaxed) == key)
			return &first[i];
	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t old = atomic_load_explicit(&first[i].key, memory_order_relaxed);
		if (atomic_load_explicit(&first[i].full_ns, memory_order_relaxed) <= now_ns &&
		    atomic_compare_exchange_strong_explicit(&first[i].key, &old, key,
		                                            memory_order_relaxed,
		                                            memory_order_relaxed))
			return &first[i];
	}
	return NULL;
}

bool limit_take(struct limit *l, const struct bal_limit *conf, const struct ip *client,
                uint64_t secret, int64_t now_ns)
{
	if (!conf->by_client)
		return take(&l->full_ns, conf, now_ns);
	struct ip net = bal_net_of(client, ip_is4(client) ? conf->bits4 : conf->bits6);
	struct limit_place *p = place_of(l, dns_hash(net.b, sizeof(net.b), secret) | 1, now_ns);
	if (p != NULL)
		return take(&p->full_ns, conf, now_ns);
	atomic_fetch_add_explicit(&l->crowded, 1, memory_order_relaxed);
	return true;
}
