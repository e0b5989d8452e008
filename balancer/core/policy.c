/* SPDX-License-Identifier: BSD-3-Clause */
/* dnsdist's policies; see policy.h. */
#include "policy.h"

#include "draw.h"
#include "lib/namehash.h"
#include "slow.h"

enum { SECOND_NS = 1000000000, MILLION = 1000000 };

static size_t candidates_size(unsigned n)
{
	return arena_need(n, sizeof(uint16_t)) + arena_need(n, sizeof(uint32_t));
}

static void candidates_init(struct candidates *c, struct arena *a, unsigned n)
{
	c->server = arena_take(a, n, sizeof(*c->server));
	c->sum = arena_take(a, n, sizeof(*c->sum));
}

size_t policy_arena_size(const struct bal_conf *conf, unsigned pool)
{
	unsigned n = bal_pool_servers(conf, pool);

	return 3 * candidates_size(n) + arena_need(n, sizeof(uint16_t)) +
	       2 * arena_need(conf->server_n, sizeof(uint8_t)) +
	       arena_need(conf->server_n, sizeof(uint32_t)) +
	       (bal_pool_policy(conf, pool) == BAL_CHASHED ? hashring_arena_size(conf, pool) : 0);
}

static void take_members(struct policy *p, struct arena *a)
{
	unsigned n = 0;

	p->member_n = bal_pool_servers(p->conf, p->pool);
	p->member = arena_take(a, p->member_n, sizeof(*p->member));
	for (unsigned i = 0; i < p->conf->server_n; i++)
		if (bal_pool_has(p->conf, p->pool, i))
			p->member[n++] = (uint16_t)i;
}

void policy_init(struct policy *p, struct arena *a, const struct bal_conf *conf, unsigned pool,
                 struct bal_shared *shared, const uint8_t seed[DRBG_SEED])
{
	struct drbg r;

	drbg_init(&r, seed, DRBG_PERTURBATION, 0);
	*p = (struct policy){ .conf = conf, .shared = shared, .pool = pool,
	                      .kind = bal_pool_policy(conf, pool) };
	p->perturbation = conf->perturbation_set ? conf->perturbation : drbg_u32(&r);
	take_members(p, a);
	candidates_init(&p->up, a, p->member_n);
	candidates_init(&p->light, a, p->member_n);
	p->is_up = arena_take(a, conf->server_n, sizeof(*p->is_up));
	p->slow = slow_any(conf);
	candidates_init(&p->some, a, p->member_n);
	p->is_some = arena_take(a, conf->server_n, sizeof(*p->is_some));
	p->part = arena_take(a, conf->server_n, sizeof(*p->part));
	if (p->kind == BAL_CHASHED)
		hashring_init(&p->ring, a, conf, pool, p->perturbation);
	p->function = p->kind == BAL_LUA ? bal_pool_lua(conf, pool)->function : 0;
}

static void add(struct candidates *c, const struct policy *p, unsigned server)
{
	uint32_t sum = c->n > 0 ? c->sum[c->n - 1] : 0;
	uint32_t weight = (uint32_t)bal_shared_weight(p->shared, server);

	c->server[c->n] = (uint16_t)server;
	c->sum[c->n++] = weight > INT32_MAX - sum ? INT32_MAX : sum + weight;
}

/* Takes out of c all but those of the lowest order. */
static void keep_first_order(struct candidates *c, const struct policy *p)
{
	int32_t least = INT32_MAX;
	unsigned n = c->n;

	for (unsigned i = 0; i < n; i++)
		if (bal_shared_order(p->shared, c->server[i]) < least)
			least = bal_shared_order(p->shared, c->server[i]);
	c->n = 0;
	for (unsigned i = 0; i < n; i++)
		if (bal_shared_order(p->shared, c->server[i]) == least)
			add(c, p, c->server[i]);
}

/* By order, where a console or a function has changed one; stable, and mostly sorted. */
static void sort_by_order(struct candidates *c, const struct policy *p)
{
	for (unsigned i = 1; i < c->n; i++) {
		uint16_t moving = c->server[i];
		int32_t order = bal_shared_order(p->shared, moving);
		unsigned at = i;
		for (; at > 0 && bal_shared_order(p->shared, c->server[at - 1]) > order; at--)
			c->server[at] = c->server[at - 1];
		c->server[at] = moving;
	}
}

/* Up or not: all but those that are to take nothing. */
static void take_all(struct policy *p)
{
	for (unsigned i = 0; i < p->member_n; i++)
		if (!bal_shared_drained(p->shared, p->member[i]))
			add(&p->up, p, p->member[i]);
}

static bool takes_queries(const struct policy *p, unsigned server)
{
	return bal_shared_up(p->shared, server) &&
	       (!bal_shared_drained(p->shared, server) ||
	        HAS_DEFECT(p->conf, DEFECT_DRAIN_IGNORED));
}

#ifdef EK_DEFECTS
/* A server is up that wasn't, while some other one was. */
static void gather(struct policy *p, unsigned server)
{
	if (HAS_DEFECT(p->conf, DEFECT_HERD) && p->up.n > 0 && !p->is_up[server] &&
	    takes_queries(p, server)) {
		p->herd = server;
		p->herd_left = DEFECT_VALUE(p->conf, DEFECT_HERD);
	}
}

static bool herds(struct policy *p)
{
	if (p->herd_left == 0 || !p->is_up[p->herd])
		return false;
	p->herd_left--;
	return true;
}
#endif

/* How much of its share each has; whether any has a part only. */
static void read_parts(struct policy *p, int64_t now_ns)
{
	p->growing = 0;
	for (unsigned i = 0; p->slow && i < p->member_n; i++) {
		unsigned server = p->member[i];
		p->part[server] = HAS_DEFECT(p->conf, DEFECT_SLOW_START_OFF) ? SLOW_WHOLE
		                  : slow_part(p->shared, server, now_ns);
		p->growing += p->is_up[server] && p->part[server] < SLOW_WHOLE;
	}
}

void policy_refresh(struct policy *p, int64_t now_ns)
{
	const struct bal_conf *conf = p->conf;

	p->edition = bal_shared_edition(p->shared);
#ifdef EK_DEFECTS
	for (unsigned i = 0; i < p->member_n; i++)
		gather(p, p->member[i]);
#endif
	p->up.n = 0;
	for (unsigned i = 0; i < p->member_n; i++) {
		unsigned server = p->member[i];
		p->is_up[server] = takes_queries(p, server);
		if (p->is_up[server])
			add(&p->up, p, server);
	}
	read_parts(p, now_ns);
	if (p->up.n == 0 && p->kind == BAL_ROUNDROBIN && !conf->roundrobin_fail_on_no_server)
		take_all(p);
	if (policy_calls(p)) { /* it asks for itself who is up */
		p->up.n = 0;
		take_all(p);
	}
	if (p->kind == BAL_FIRST_AVAILABLE)
		sort_by_order(&p->up, p);
	if (p->kind == BAL_ORDERED_WRANDOM)
		keep_first_order(&p->up, p);
}

/* ---- balancing factors ---- */

__extension__ typedef unsigned __int128 wide;

/* What all candidates carry, and the query at hand. */
struct load {
	uint64_t outstanding, weight;
	uint32_t factor_ppm;        /* 0: no bound */
};

static uint64_t outstanding_of(const struct policy *p, unsigned server)
{
	int32_t n = atomic_load_explicit(&p->shared->server[server].outstanding,
	                                 memory_order_relaxed);

	return n > 0 ? (uint64_t)n : 0;
}

static struct load load_of(const struct policy *p, uint32_t factor_ppm)
{
	struct load l = { .outstanding = 1, .factor_ppm = factor_ppm };

	for (unsigned i = 0; factor_ppm > 0 && i < p->up.n; i++) {
		l.outstanding += outstanding_of(p, p->up.server[i]);
		l.weight += (uint64_t)bal_shared_weight(p->shared, p->up.server[i]);
	}
	return l;
}

/* True when the server carries at most factor * its fair share. */
static bool is_light(const struct policy *p, const struct load *l, unsigned server)
{
	uint64_t weight = (uint64_t)bal_shared_weight(p->shared, server);

	return l->factor_ppm == 0 ||
	       (wide)outstanding_of(p, server) * l->weight * 1000000 <=
	       (wide)l->outstanding * l->factor_ppm * weight;
}

/* Those that may be chosen by weight. Some always may: who carries least isn't above its share. */
static const struct candidates *light_ones(struct policy *p)
{
	struct load l = load_of(p, p->conf->weighted_factor_ppm);

	if (l.factor_ppm == 0)
		return &p->up;
	p->light.n = 0;
	for (unsigned i = 0; i < p->up.n; i++)
		if (is_light(p, &l, p->up.server[i]))
			add(&p->light, p, p->up.server[i]);
	return &p->light;
}

/* ---- one policy after the other ---- */

/* The first candidate whose running sum exceeds v, which is below the sum of all. */
static int pick_by_sum(const struct candidates *c, uint32_t v)
{
	unsigned low = 0, high = c->n - 1;

	while (low < high) {
		unsigned mid = (low + high) / 2;
		if (v < c->sum[mid])
			high = mid;
		else
			low = mid + 1;
	}
	return c->server[low];
}

static int pick_wrandom(struct policy *p, struct drbg *r)
{
	const struct candidates *c = light_ones(p);

	return c->n > 0 ? pick_by_sum(c, draw_below(r, c->sum[c->n - 1])) : -1;
}

/* Defect: the names' own server is forgotten now and then. */
static bool forgets(const struct policy *p, struct drbg *r)
{
	return HAS_DEFECT(p->conf, DEFECT_STICKY_NAMES) &&
	       draw_below(r, MILLION) < DEFECT_VALUE(p->conf, DEFECT_STICKY_NAMES);
}

static int pick_whashed(struct policy *p, struct drbg *r, uint32_t hash)
{
	if (forgets(p, r))
		return pick_wrandom(p, r);
	const struct candidates *c = light_ones(p);

	return c->n > 0 ? pick_by_sum(c, hash % c->sum[c->n - 1]) : -1;
}

static int pick_chashed(struct policy *p, struct drbg *r, uint32_t hash)
{
	if (HAS_DEFECT(p->conf, DEFECT_ROTATE_ON_DOWN) && p->up.n < p->member_n)
		return pick_whashed(p, r, hash);
	if (forgets(p, r))
		return pick_wrandom(p, r);
	struct load l = load_of(p, p->conf->chashed_factor_ppm);
	uint32_t at = hashring_find(&p->ring, hash);

	for (uint32_t i = 0; p->up.n > 0 && i < p->ring.point_n; i++) {
		unsigned server = hashring_server(&p->ring, at);
		if (p->is_up[server] && is_light(p, &l, server))
			return (int)server;
		at = hashring_next(&p->ring, at);
	}
	return -1;
}

static int pick_roundrobin(const struct policy *p, struct drbg *r)
{
	uint32_t turn;

	if (p->up.n == 0)
		return -1;
	if (HAS_DEFECT(p->conf, DEFECT_ROUNDROBIN_SKIPS) &&
	    draw_below(r, MILLION) < DEFECT_VALUE(p->conf, DEFECT_ROUNDROBIN_SKIPS))
		turn = atomic_load_explicit(&p->shared->pool[p->pool].turn,
		                            memory_order_relaxed) - 1;
	else
		turn = atomic_fetch_add_explicit(&p->shared->pool[p->pool].turn, 1,
		                                 memory_order_relaxed);
	return p->up.server[turn % p->up.n];
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
		.order = bal_shared_order(p->shared, server),
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

	for (unsigned i = 0; i < p->up.n; i++) {
		struct burden b = burden_of(p, p->up.server[i]);
		if (at < 0 || lighter(&b, &best)) {
			best = b;
			at = p->up.server[i];
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

static int pick_first(struct policy *p, struct drbg *r, int64_t now_ns)
{
	unsigned first = 0;

	if (HAS_DEFECT(p->conf, DEFECT_ORDER_IGNORED) && p->up.n > 0)
		first = draw_below(r, p->up.n);
	for (unsigned i = 0; i < p->up.n; i++) {
		unsigned server = p->up.server[(first + i) % p->up.n];
		uint32_t qps = atomic_load_explicit(&p->shared->server[server].qps,
		                                    memory_order_relaxed);
		if (HAS_DEFECT(p->conf, DEFECT_QPS_IGNORED))
			qps = 0;
		if (qps == 0 || take_token(&p->shared->server[server], qps, now_ns))
			return (int)server;
	}
	return pick_least(p);
}

static int pick(struct policy *p, struct drbg *r, int64_t now_ns, const uint8_t *name,
                size_t name_len)
{
	switch (p->kind) {
	case BAL_WRANDOM:
	case BAL_ORDERED_WRANDOM:
		return pick_wrandom(p, r);
	case BAL_WHASHED:
		return pick_whashed(p, r, namehash(name, name_len, p->perturbation));
	case BAL_CHASHED:
		return pick_chashed(p, r, namehash(name, name_len, p->perturbation));
	case BAL_ROUNDROBIN:
		return pick_roundrobin(p, r);
	case BAL_FIRST_AVAILABLE:
		return pick_first(p, r, now_ns);
	case BAL_LEAST_OUTSTANDING:
		if (HAS_DEFECT(p->conf, DEFECT_LEAST_IGNORES))
			return pick_wrandom(p, r);
		return pick_least(p);
	case BAL_LUA:
		break;
	}
	must_fail("a policy that balancer/config knows", __FILE__, __LINE__);
}

/* Fills in p->some: those that take this query. False: none does, so all have to. */
static bool choose_some(struct policy *p, struct drbg *r, const uint8_t *name, size_t name_len)
{
	bool hashed = p->kind == BAL_WHASHED || p->kind == BAL_CHASHED;
	uint32_t hash = hashed ? namehash(name, name_len, p->perturbation) : 0;

	p->some.n = 0;
	for (unsigned i = 0; i < p->member_n; i++) {
		unsigned server = p->member[i];
		p->is_some[server] = p->is_up[server] &&
		                     slow_takes(p->part[server], server, r,
		                                hashed ? &hash : NULL);
		if (p->is_some[server])
			add(&p->some, p, server);
	}
	if (p->kind == BAL_FIRST_AVAILABLE)
		sort_by_order(&p->some, p);
	if (p->kind == BAL_ORDERED_WRANDOM)
		keep_first_order(&p->some, p);
	return p->some.n > 0;
}

/* As if those that don't take it were down. */
static int pick_growing(struct policy *p, struct drbg *r, int64_t now_ns, const uint8_t *name,
                        size_t name_len)
{
	const struct candidates up = p->up;
	uint8_t *is_up = p->is_up;

	if (choose_some(p, r, name, name_len)) {
		p->up = p->some;
		p->is_up = p->is_some;
	}
	int server = pick(p, r, now_ns, name, name_len);
	p->up = up;
	p->is_up = is_up;
	return server;
}

int policy_pick(struct policy *p, struct drbg *r, int64_t now_ns, const uint8_t *name,
                size_t name_len)
{
#ifdef EK_DEFECTS
	if (herds(p))
		return (int)p->herd;
#endif
	return p->growing > 0 ? pick_growing(p, r, now_ns, name, name_len)
	                      : pick(p, r, now_ns, name, name_len);
}

int policy_other(const struct policy *p, unsigned not)
{
	struct burden best = { 0 };
	int at = -1;

	if (HAS_DEFECT(p->conf, DEFECT_RETRY_SAME))
		return (int)not;
	for (unsigned i = 0; i < p->member_n; i++) {
		unsigned server = p->member[i];
		struct burden b = burden_of(p, server);
		if (server == not || !p->is_up[server] || (at >= 0 && !lighter(&b, &best)))
			continue;
		best = b;
		at = (int)server;
	}
	return at;
}

int policy_call(const struct policy *p, const struct bal_hook_query *q)
{
	MUST(p->hooks != NULL && policy_calls(p));
	int server = p->hooks->pick(p->hooks->arg, p->function, q, p->up.server, p->up.n);
	MUST(server >= BAL_HOOK_FAILED && server < (int)p->conf->server_n);
	/* it may name one that isn't on its list */
	if (server >= 0 && bal_shared_drained(p->shared, (unsigned)server))
		return BAL_HOOK_NONE;
	return server;
}
