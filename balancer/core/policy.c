/* SPDX-License-Identifier: BSD-3-Clause */
/* dnsdist's four basic policies; see policy.h. */
#include "policy.h"

#include "draw.h"

enum { SECOND_NS = 1000000000 };

size_t policy_arena_size(const struct bal_conf *conf)
{
	return arena_need(conf->server_n, sizeof(uint16_t)) +
	       arena_need(conf->server_n, sizeof(uint32_t));
}

void policy_init(struct policy *p, struct arena *a, const struct bal_conf *conf,
                 struct bal_shared *shared)
{
	*p = (struct policy){ .conf = conf, .shared = shared };
	p->up = arena_take(a, conf->server_n, sizeof(*p->up));
	p->sum = arena_take(a, conf->server_n, sizeof(*p->sum));
}

void policy_refresh(struct policy *p)
{
	uint32_t sum = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < p->conf->server_n; i++) {
		if (!bal_shared_up(p->shared, i))
			continue;
		uint32_t weight = (uint32_t)p->conf->server[i].weight;
		sum = weight > INT32_MAX - sum ? INT32_MAX : sum + weight;
		p->up[n] = (uint16_t)i;
		p->sum[n++] = sum;
	}
	p->up_n = n;
}

/* The first server whose running sum exceeds a draw from [0, sum of all). */
static int pick_wrandom(const struct policy *p, struct drbg *r)
{
	unsigned low = 0, high = p->up_n - 1; /* wraps when none is up, unused then */

	if (p->up_n == 0)
		return -1;
	uint32_t v = draw_below(r, p->sum[high]);
	while (low < high) {
		unsigned mid = (low + high) / 2;
		if (v < p->sum[mid])
			high = mid;
		else
			low = mid + 1;
	}
	return p->up[low];
}

static int pick_roundrobin(struct policy *p)
{
	unsigned n = p->up_n;

	if (n == 0 && !p->conf->roundrobin_fail_on_no_server)
		n = p->conf->server_n;
	if (n == 0)
		return -1;
	uint32_t turn = atomic_fetch_add_explicit(&p->shared->turn, 1, memory_order_relaxed) % n;
	return p->up_n == 0 ? (int)turn : p->up[turn];
}

/* What leastOutstanding compares, most significant first. */
struct burden {
	int32_t outstanding, order;
	uint32_t latency;
};

static struct burden burden_of(const struct policy *p, unsigned server)
{
	struct bal_shared_server *s = &p->shared->server[server];

	return (struct burden){
		.outstanding = atomic_load_explicit(&s->outstanding, memory_order_relaxed),
		.order = p->conf->server[server].order,
		.latency = atomic_load_explicit(&s->latency_us128, memory_order_relaxed),
	};
}

static bool lighter(const struct burden *a, const struct burden *b)
{
	if (a->outstanding != b->outstanding)
		return a->outstanding < b->outstanding;
	if (a->order != b->order)
		return a->order < b->order;
	return a->latency < b->latency;
}

static int pick_least(const struct policy *p)
{
	struct burden best = { 0 };
	int at = -1;

	for (unsigned i = 0; i < p->up_n; i++) {
		struct burden b = burden_of(p, p->up[i]);
		if (at < 0 || lighter(&b, &best)) {
			best = b;
			at = p->up[i];
		}
	}
	return at;
}

/*
 * Takes a token from the server's bucket, which holds one second's worth, full at first. Its level
 * is kept as the time at which it will be full again: each token moves that 1/qps s on, and there
 * is room while it is at most a second ahead. One atomic for all workers.
 */
static bool take_token(struct bal_shared_server *s, uint32_t qps, int64_t now_ns)
{
	int64_t full = atomic_load_explicit(&s->qps_full_ns, memory_order_relaxed), next;

	do {
		next = (full > now_ns ? full : now_ns) + SECOND_NS / (int64_t)qps;
		if (next - now_ns > SECOND_NS)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&s->qps_full_ns, &full, next,
	                                                memory_order_relaxed,
	                                                memory_order_relaxed));
	return true;
}

static int pick_first(struct policy *p, int64_t now_ns)
{
	for (unsigned i = 0; i < p->up_n; i++) {
		uint32_t qps = atomic_load_explicit(&p->shared->server[p->up[i]].qps,
		                                    memory_order_relaxed);
		if (qps == 0 || take_token(&p->shared->server[p->up[i]], qps, now_ns))
			return p->up[i];
	}
	return pick_least(p);
}

int policy_pick(struct policy *p, struct drbg *r, int64_t now_ns)
{
	switch (p->conf->policy) {
	case BAL_WRANDOM:
		return pick_wrandom(p, r);
	case BAL_ROUNDROBIN:
		return pick_roundrobin(p);
	case BAL_FIRST_AVAILABLE:
		return pick_first(p, now_ns);
	case BAL_LEAST_OUTSTANDING:
		return pick_least(p);
	}
	must_fail("a policy that balancer/config knows", __FILE__, __LINE__);
}
