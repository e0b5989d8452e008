/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Balancers that never ran, for tests of "policy": each does what its policy says, or not quite, on
 * a made-up stream of queries, and comes out as the packets at its interface. A few servers with
 * latencies, weights, orders and limits of their own, which may be down for a while; queries are
 * handled some time after they came in, and answers before they go on. Header only.
 */
#ifndef EK_TESTS_MODEL_H
#define EK_TESTS_MODEL_H

#include "tests/judge/synth.h"

enum { MODEL_SERVERS = 3, MODEL_BALANCERS = 2 };

/* What the balancers do; all zero is what the policy says. */
struct model_knobs {
	enum bal_policy policy;       /* as configured */
	enum bal_policy does;         /* instead; 0: the same */
	unsigned wrong_each;          /* every so many choices one by chance; 0: none */
	unsigned favour_ppm;          /* so many more of all names, or draws, go to the first */
	bool remaps;                  /* when the set changes, so does where all names go */
	bool forgets;                 /* a server that comes back gets other names than before */
	bool no_limit;                /* qps isn't looked at */
	bool drifts;                  /* time-outs aren't taken off what is outstanding */
	bool down_once;               /* one query to a server that is down */
	int64_t lag_ns;               /* right: in the balancer so long, at most */
	unsigned lose_permille;       /* right: answers that never come */
	unsigned names;               /* different ones; 0: 200 */
	unsigned rate;                /* of queries a second at each balancer; 0: 500 */
	int64_t seconds;              /* 0: 20 */
	bool idle;                    /* servers answer at once */
	bool alike;                   /* balancers are configured to hash alike */
	bool apart;                   /* and don't */
	bool restart;                 /* right: LB1 is killed and started again */
	bool factor;                  /* a balancing factor is configured */
	bool two_orders, limits, three_to_one, down, tcp;
	int64_t from_ns, to_ns;       /* the expectation's window; 0: all */
};

struct model_query {
	int64_t in_ns, draw_ns;
	unsigned balancer, name;
	uint16_t id;
};

struct model {
	struct model_knobs k;
	struct plan plan;
	struct plan_conf conf;
	struct plan_node node[1 + MODEL_BALANCERS + MODEL_SERVERS];
	struct plan_load load;
	struct plan_expect expect;
	struct bal_server server[MODEL_SERVERS];
	int server_node[MODEL_SERVERS];
	char path[8];
	struct drbg d;
	struct synth s;               /* its records */
	int64_t *busy[MODEL_BALANCERS][MODEL_SERVERS]; /* until when each query counts */
	size_t busy_n[MODEL_BALANCERS][MODEL_SERVERS];
	int64_t full_ns[MODEL_BALANCERS][MODEL_SERVERS];
	unsigned turn[MODEL_BALANCERS], choices;
	bool down_used, restarted;
	struct plan_fault fault[2];
};

static const int64_t MODEL_KILL_NS = 4000000000, MODEL_START_NS = 4200000000;
static const int64_t MODEL_DOWN_NS = 8000000000, MODEL_UP_NS = 13000000000;

static inline void model_servers(struct model *m)
{
	for (unsigned i = 0; i < MODEL_SERVERS; i++) {
		struct plan_node *n = &m->node[1 + MODEL_BALANCERS + i];
		struct bal_server *s = &m->server[i];
		*n = (struct plan_node){ .role = PLAN_RECURSOR, .addr_n = 1,
		                         .addr = { ip_v4(192, 0, 2, (uint8_t)(3 + i)) } };
		snprintf(n->name, sizeof(n->name), "R%u", i);
		bal_server_defaults(s);
		memcpy(s->name, n->name, 8);
		s->addr = synth_ep(n->addr[0], 53);
		s->weight = m->k.three_to_one && i == 0 ? 3 : 1;
		s->order = m->k.two_orders && i == 2 ? 2 : 1;
		if (m->k.policy == BAL_FIRST_AVAILABLE)
			s->order = (int32_t)i + 1;
		s->qps = m->k.limits && i < 2 ? 100 : 0;
		s->check.mode = BAL_CHECK_AUTO;
		s->check.timeout_ns = 100 * SYNTH_MS;
		m->server_node[i] = (int)(1 + MODEL_BALANCERS + i);
	}
}

static inline void model_plan(struct model *m)
{
	int64_t end = m->k.seconds * SYNTH_S;

	strcpy(m->path, "/x");
	m->node[0] = (struct plan_node){ .name = "clients", .role = PLAN_CLIENTS, .net_n = 1 };
	MUST(prefix_parse(&m->node[0].net[0], "192.160.102.128/25") == 0);
	for (unsigned b = 0; b < MODEL_BALANCERS; b++) {
		m->node[1 + b] = (struct plan_node){ .role = PLAN_BALANCER, .addr_n = 1,
			.addr = { ip_v4(192, 160, 102, (uint8_t)(2 + b)) } };
		snprintf(m->node[1 + b].name, sizeof(m->node[1].name), "LB%u", b + 1);
	}
	model_servers(m);
	m->conf = (struct plan_conf){ .path = m->path, .policy = m->k.policy,
		.udp_timeout_ns = 500 * SYNTH_MS,
		.same_hash = m->k.alike,
		.factor_ppm = m->k.factor ? 1250000 : 0, .server_n = MODEL_SERVERS,
		.server = m->server, .server_node = m->server_node };
	m->load = (struct plan_load){ .clients = 2, .choose = PLAN_PER_QUERY,
		.arrivals = PLAN_CONSTANT, .rate_mqps = 1000, .names = PLAN_UNIQUE, .type_n = 1,
		.tries = 1, .retry = PLAN_OTHER,
		.family = 4, .type = { { DNS_A, 1000000 } }, .timeout_ns = SYNTH_S,
		.to_ns = end };
	m->expect = (struct plan_expect){ .kind = PLAN_POLICY, .flake = 1e-9, .miss = 1e-4,
		.catch_ppm = 100000, .during_from_ns = m->k.from_ns,
		.during_to_ns = m->k.to_ns > 0 ? m->k.to_ns : end };
	m->fault[0] = (struct plan_fault){ .kind = PLAN_KILL, .node = 1, .at_ns = MODEL_KILL_NS };
	m->fault[1] = (struct plan_fault){ .kind = PLAN_START, .node = 1,
	                                   .at_ns = MODEL_START_NS };
	m->plan = (struct plan){ .name = "model", .scenario_path = m->path,
		.node_n = COUNT_OF(m->node), .node = m->node, .conf_n = 1, .conf = &m->conf,
		.load_n = 1, .load = &m->load, .expect_n = 1, .expect = &m->expect,
		.fault_n = m->k.restart ? 2 : 0, .fault = m->fault,
		.balancer.checks = PLAN_CHECKS_EXACT, .end_ns = end + SYNTH_S,
		.limits = { .slack_ns = 5 * SYNTH_MS } };
}

/* Server 1 is down for a while. */
static inline bool model_dead(const struct model *m, unsigned server, int64_t t_ns)
{
	return m->k.down && server == 1 && t_ns >= MODEL_DOWN_NS && t_ns < MODEL_UP_NS;
}

static inline int64_t model_phase(unsigned b, unsigned server)
{
	return (int64_t)(b * 200 + server * 50 + 13) * SYNTH_MS;
}

/* As balancer b sees it, by its probes: each second, with the default of one failure. */
static inline bool model_up(const struct model *m, unsigned b, unsigned server, int64_t t_ns)
{
	int64_t phase = model_phase(b, server);

	if (!m->k.down || server != 1)
		return true;
	int64_t down = MODEL_DOWN_NS + phase + 100 * SYNTH_MS;
	return t_ns < down || t_ns >= MODEL_UP_NS + phase + 2 * SYNTH_MS;
}

static inline void model_probes(struct model *m, unsigned b, unsigned server)
{
	const struct bal_server *s = &m->server[server];
	struct ep own = synth_ep(m->node[1 + b].addr[0], 30000 + server);
	uint8_t q[512], a[REC_ANSWER_MAX];
	struct dns_question question;

	for (int64_t t = model_phase(b, server) - SYNTH_S; t < m->plan.end_ns; t += SYNTH_S) {
		int len = dns_query(q, sizeof(q), drbg_u16(&m->d), DNS_RD, s->check.name,
		                    s->check.name_len, s->check.type, DNS_IN, 0);
		MUST(len > 0 && dns_question(&question, q, (size_t)len) == 0);
		synth_add(&m->s, t, 1 + b, &own, &s->addr, q, (size_t)len);
		if (model_dead(m, server, t))
			continue;
		len = rec_answer(a, sizeof(a), q, (size_t)len, &question, UINT32_MAX);
		synth_add(&m->s, t + 200 * SYNTH_US, 1 + b, &s->addr, &own, a, (size_t)len);
	}
}

/* ---- policies ---- */

static inline unsigned model_busy(struct model *m, unsigned b, unsigned server, int64_t t_ns)
{
	int64_t *u = m->busy[b][server];
	size_t n = 0;

	for (size_t i = 0; i < m->busy_n[b][server]; i++)
		if (u[i] > t_ns)
			u[n++] = u[i];
	m->busy_n[b][server] = n;
	return (unsigned)n;
}

static inline bool model_token(struct model *m, unsigned b, unsigned server, int64_t t_ns)
{
	int64_t *full = &m->full_ns[b][server], qps = m->server[server].qps;

	if (qps == 0 || m->k.no_limit)
		return true;
	int64_t next = (*full > t_ns ? *full : t_ns) + SYNTH_S / qps;
	if (next - t_ns > SYNTH_S)
		return false;
	*full = next;
	return true;
}

static inline uint64_t model_hash(unsigned name, uint64_t salt)
{
	uint64_t v[2] = { name, salt };

	return dns_hash((const uint8_t *)v, sizeof(v), 99);
}

/* Weights of the servers that may be chosen; by their order for orderedWrandUntag. */
static inline unsigned model_weights(struct model *m, unsigned b, int64_t t_ns, bool ordered,
                                     unsigned w[MODEL_SERVERS])
{
	int32_t least = INT32_MAX;
	unsigned all = 0;

	for (unsigned i = 0; i < MODEL_SERVERS; i++) {
		bool up = model_up(m, b, i, t_ns) && (!ordered || m->server[i].order <= least);
		w[i] = up ? (unsigned)m->server[i].weight : 0;
		least = up && m->server[i].order < least ? m->server[i].order : least;
		all += w[i];
	}
	return all;
}

static inline unsigned model_by(const unsigned w[MODEL_SERVERS], uint64_t v)
{
	unsigned i = 0;

	for (; v >= w[i]; i++)
		v -= w[i];
	return i;
}

static inline unsigned model_salt(const struct model *m, unsigned b)
{
	if (m->k.alike && !m->k.apart)
		return 0;
	return b + (m->restarted && b == 0 ? 99 : 0);
}

/* Like a ring: the server whose hash with the name is greatest. */
static inline unsigned model_ring(struct model *m, const struct model_query *q)
{
	uint64_t best = 0, salt = model_salt(m, q->balancer) + 1;
	unsigned at = 0;

	salt += m->k.remaps && !model_up(m, q->balancer, 1, q->draw_ns) ? 77 : 0;
	salt += m->k.forgets && q->draw_ns > MODEL_UP_NS ? 55 : 0;
	for (unsigned i = 0; i < MODEL_SERVERS; i++) {
		uint64_t h = model_hash(q->name, salt * 16 + i);
		if (model_up(m, q->balancer, i, q->draw_ns) && h > best) {
			best = h;
			at = i;
		}
	}
	return at;
}

static inline unsigned model_least(struct model *m, const struct model_query *q)
{
	unsigned best = UINT32_MAX, at = 0;

	for (unsigned i = 0; i < MODEL_SERVERS; i++) {
		unsigned n = model_busy(m, q->balancer, i, q->draw_ns);
		bool order = best != UINT32_MAX && m->server[i].order < m->server[at].order;
		if (model_up(m, q->balancer, i, q->draw_ns) && (n < best || (n == best && order))) {
			best = n;
			at = i;
		}
	}
	return at;
}

static inline unsigned model_rule(struct model *m, const struct model_query *q)
{
	enum bal_policy does = m->k.does != 0 ? m->k.does : m->k.policy;
	unsigned b = q->balancer, w[MODEL_SERVERS];
	unsigned all = model_weights(m, b, q->draw_ns, does == BAL_ORDERED_WRANDOM, w);
	uint64_t salt = model_salt(m, b) + (m->k.forgets && q->draw_ns > MODEL_UP_NS ? 55u : 0);

	switch (does) {
	case BAL_WHASHED:
		if (model_hash(q->name, 7) % 1000000 < m->k.favour_ppm)
			return 0;
		return model_by(w, model_hash(q->name, salt) % all);
	case BAL_CHASHED: return model_ring(m, q);
	case BAL_LEAST_OUTSTANDING: return model_least(m, q);
	case BAL_ROUNDROBIN: return model_by(w, m->turn[b]++ % all);
	case BAL_WRANDOM: case BAL_ORDERED_WRANDOM:
		return model_by(w, drbg_below(&m->d, all));
	case BAL_FIRST_AVAILABLE: case BAL_LUA: break;
	}
	for (unsigned i = 0; i < MODEL_SERVERS; i++)
		if (model_up(m, b, i, q->draw_ns) && model_token(m, b, i, q->draw_ns))
			return i;
	return model_least(m, q);
}

static inline unsigned model_choose(struct model *m, const struct model_query *q)
{
	unsigned w[MODEL_SERVERS];

	if (m->k.down_once && !m->down_used && !model_up(m, q->balancer, 1, q->draw_ns) &&
	    q->draw_ns > MODEL_DOWN_NS + 2 * SYNTH_S) {
		m->down_used = true;
		return 1;
	}
	if (!synth_each(m->choices++, m->k.wrong_each))
		return model_rule(m, q);
	return model_by(w, drbg_below(&m->d, model_weights(m, q->balancer, q->draw_ns, false, w)));
}

/* ---- queries ---- */

static inline int64_t model_latency(struct model *m, unsigned server)
{
	static const int64_t mean_ms[MODEL_SERVERS] = { 3, 12, 30 };

	if (m->k.idle)
		return 150 * SYNTH_US;
	return mean_ms[server] * SYNTH_MS / 2 +
	       (int64_t)drbg_below(&m->d, (uint32_t)(mean_ms[server] * SYNTH_MS));
}

static inline void model_counts(struct model *m, unsigned b, unsigned server, int64_t until_ns)
{
	size_t n = m->busy_n[b][server]++;

	if ((n & (n + 1)) == 0) {
		m->busy[b][server] = realloc(m->busy[b][server], (2 * n + 2) * sizeof(int64_t));
		MUST(m->busy[b][server] != NULL);
	}
	m->busy[b][server][n] = until_ns;
}

static inline void model_one(struct model *m, const struct model_query *q)
{
	struct ep client = synth_ep(ip_v4(192, 160, 102, 130), 40000);
	struct ep front = synth_ep(m->node[1 + q->balancer].addr[0], 53), back = front;
	unsigned server = model_choose(m, q), node = 1 + q->balancer;
	uint8_t name[DNS_NAME_MAX], query[512], a[REC_ANSWER_MAX];
	struct dns_question question;
	char text[32];

	back.port = (uint16_t)(20000 + server);
	snprintf(text, sizeof(text), "%c%u.example.", drbg_below(&m->d, 2) ? 'n' : 'N', q->name);
	int n = dns_name_parse(name, text);
	MUST(n > 0);
	int len = dns_query(query, sizeof(query), q->id, DNS_RD, name, (size_t)n, DNS_A, DNS_IN, 0);
	MUST(len > 0 && dns_question(&question, query, (size_t)len) == 0);
	synth_add(&m->s, q->in_ns, node, &client, &front, query, (size_t)len);
	int64_t out = q->draw_ns + (int64_t)drbg_below(&m->d, 30000);
	synth_add(&m->s, out, node, &back, &m->server[server].addr, query, (size_t)len);
	if (m->k.tcp && m->choices % 1000 == 7) {
		synth_add(&m->s, out, node, &back, &m->server[server].addr, query, (size_t)len);
		m->s.record[m->s.n - 1].tcp = true;
	}
	int64_t limit = q->draw_ns + m->conf.udp_timeout_ns;
	int64_t at = out + model_latency(m, server);
	if (drbg_below(&m->d, 1000) < m->k.lose_permille || model_dead(m, server, at)) {
		model_counts(m, q->balancer, server, m->k.drifts ? INT64_MAX : limit);
		return;
	}
	int64_t handled = at + (int64_t)drbg_below(&m->d, (uint32_t)m->k.lag_ns + 20000);
	len = rec_answer(a, sizeof(a), query, (size_t)len, &question, UINT32_MAX);
	MUST(len > 0);
	synth_add(&m->s, at, node, &m->server[server].addr, &back, a, (size_t)len);
	synth_add(&m->s, handled + 5000, node, &front, &client, a, (size_t)len);
	model_counts(m, q->balancer, server, handled);
}

static int model_cmp(const void *a, const void *b)
{
	const struct model_query *x = a, *y = b;

	if (x->draw_ns != y->draw_ns)
		return x->draw_ns < y->draw_ns ? -1 : 1;
	return (x->in_ns > y->in_ns) - (x->in_ns < y->in_ns);
}

/* False while LB1 is dead. It has forgotten everything when it lives again. */
static inline bool model_lives(struct model *m, int64_t t_ns)
{
	if (t_ns < MODEL_KILL_NS || t_ns >= MODEL_START_NS) {
		if (t_ns >= MODEL_START_NS && !m->restarted) {
			m->restarted = true;
			memset(m->busy_n[0], 0, sizeof(m->busy_n[0]));
			memset(m->full_ns[0], 0, sizeof(m->full_ns[0]));
			m->turn[0] = 0;
		}
		return true;
	}
	return false;
}

static inline void model_queries(struct model *m)
{
	size_t n = (size_t)(m->k.seconds * m->k.rate * MODEL_BALANCERS);
	struct model_query *q = calloc(n, sizeof(*q));
	int64_t span = m->k.seconds * SYNTH_S;

	MUST(q != NULL);
	for (size_t i = 0; i < n; i++) {
		q[i].in_ns = (int64_t)(drbg_u64(&m->d) % (uint64_t)span);
		q[i].draw_ns = q[i].in_ns +
		               (int64_t)drbg_below(&m->d, (uint32_t)m->k.lag_ns + 5000);
		q[i].balancer = (unsigned)drbg_below(&m->d, MODEL_BALANCERS);
		q[i].name = (unsigned)drbg_below(&m->d, m->k.names);
		q[i].id = (uint16_t)i;
	}
	qsort(q, n, sizeof(*q), model_cmp);
	for (size_t i = 0; i < n; i++)
		if (!m->k.restart || q[i].balancer != 0 || model_lives(m, q[i].draw_ns))
			model_one(m, &q[i]);
	free(q);
}

static inline struct model *model_new(const struct model_knobs *k, uint64_t number)
{
	struct model *m = calloc(1, sizeof(*m));
	uint8_t seed[DRBG_SEED];

	MUST(m != NULL);
	m->k = *k;
	m->k.names = k->names > 0 ? k->names : 200;
	m->k.rate = k->rate > 0 ? k->rate : 500;
	m->k.seconds = k->seconds > 0 ? k->seconds : 20;
	model_plan(m);
	m->s.plan = &m->plan;
	drbg_seed_from_u64(seed, number);
	drbg_init(&m->d, seed, DRBG_TEST, 0);
	model_queries(m);
	for (unsigned b = 0; b < MODEL_BALANCERS; b++)
		for (unsigned i = 0; i < MODEL_SERVERS; i++)
			model_probes(m, b, i);
	synth_sort(&m->s);
	return m;
}

static inline void model_free(struct model *m)
{
	for (unsigned b = 0; b < MODEL_BALANCERS; b++)
		for (unsigned i = 0; i < MODEL_SERVERS; i++)
			free(m->busy[b][i]);
	for (size_t i = 0; i < m->s.n; i++)
		free(m->s.record[i].data);
	free(m->s.record);
	free(m);
}

#endif
