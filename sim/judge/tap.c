/* SPDX-License-Identifier: BSD-3-Clause */
/* One judge: its trackers, and which of them a record belongs to. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inner.h"
#include "sim/plan/plan_io.h"

/* How long an answer of a server is still matched to its client's query, at least. */
static const int64_t KEEP_NS = 6000000000;

/* How often what is old is looked for. */
static const int64_t SETTLE_EACH_NS = 100000000;

/* Does a node's net hold addresses that are other nodes'? */
static bool nets_mixed(const struct plan *p, unsigned node)
{
	const struct plan_node *n = &p->node[node];

	for (unsigned i = 0; i < p->node_n; i++)
		for (unsigned a = 0; a < p->node[i].addr_n && i != node; a++)
			if (prefix_any(n->net, n->net_n, &p->node[i].addr[a]))
				return true;
	return false;
}

static void alloc_nodes(struct judge *j)
{
	const struct plan *p = j->plan;

	j->client = zeroed(p->node_n, sizeof(*j->client));
	j->balancer = zeroed(p->node_n, sizeof(*j->balancer));
	j->recursor = zeroed(p->node_n, sizeof(*j->recursor));
	j->tracked = zeroed(p->node_n, sizeof(*j->tracked));
	j->events.fault = zeroed(p->fault_n, sizeof(*j->events.fault));
	j->events.node = zeroed(p->node_n, sizeof(*j->events.node));
	table_init(&j->owners, p->node_n);
	for (unsigned i = 0; i < p->node_n; i++) {
		j->events.node[i].pcap_records = -1;
		j->tracked[i] = (struct tracked){
			.role = p->node[i].role, .addr_n = p->node[i].addr_n,
			.addr = p->node[i].addr, .net_n = p->node[i].net_n,
			.net = p->node[i].net, .mixed = nets_mixed(p, i),
		};
		for (unsigned a = 0; a < p->node[i].addr_n; a++)
			table_put(&j->owners, key_of(&p->node[i].addr[a], 0, 0, 0), i);
	}
}

static void alloc_phases(struct judge *j)
{
	const struct plan *p = j->plan;

	j->phase = zeroed(p->fault_n + 1, sizeof(*j->phase));
	for (unsigned i = 0; i <= p->fault_n; i++) {
		j->phase[i].from_ns = i > 0 ? p->fault[i - 1].at_ns : 0;
		j->phase[i].to_ns = i < p->fault_n ? p->fault[i].at_ns : p->end_ns;
	}
}

/* Answers that come when the loads are over belong to the run, too. */
static struct answers answers_of(const struct plan *p, const struct plan_expect *e)
{
	struct answers a = { .e = e, .from_ns = e->during_from_ns, .to_ns = e->during_to_ns };
	int64_t from = INT64_MAX, to = 0;

	for (unsigned i = 0; i < p->load_n; i++) {
		from = p->load[i].from_ns < from ? p->load[i].from_ns : from;
		to = p->load[i].to_ns > to ? p->load[i].to_ns : to;
	}
	if (a.from_ns <= from)
		a.from_ns = INT64_MIN;
	if (a.to_ns >= to || a.to_ns == 0)
		a.to_ns = INT64_MAX;
	return a;
}

static void alloc_expects(struct judge *j)
{
	const struct plan *p = j->plan;

	j->latency = zeroed(p->expect_n, sizeof(*j->latency));
	j->cache = zeroed(p->expect_n, sizeof(*j->cache));
	j->even = zeroed(2 * (size_t)p->expect_n, sizeof(*j->even));
	j->answers = zeroed(p->expect_n, sizeof(*j->answers));
	j->outage = zeroed(p->expect_n, sizeof(*j->outage));
	for (unsigned i = 0; i < p->expect_n; i++) {
		if (p->expect[i].kind == PLAN_LATENCY)
			j->latency[j->latency_n++].e = &p->expect[i];
		if (p->expect[i].kind == PLAN_CACHE)
			j->cache[j->cache_n++] = &p->expect[i];
		if (p->expect[i].kind == PLAN_ANSWERS)
			j->answers[j->answers_n++] = answers_of(p, &p->expect[i]);
	}
}

static void judge_alloc(struct judge *j)
{
	const struct plan *p = j->plan;

	j->seen_ns = j->settle_ns = j->settled_ns = NEVER;
	j->keep_ns = KEEP_NS;
	for (unsigned i = 0; i < p->load_n; i++) {
		int64_t lives = KEEP_NS + (int64_t)p->load[i].tries * p->load[i].timeout_ns;
		j->keep_ns = lives > j->keep_ns ? lives : j->keep_ns;
	}
	j->late = late_new();
	plan_sha256(p, j->sha256);
	alloc_nodes(j);
	alloc_phases(j);
	alloc_expects(j);
	series_init(j);
	gones_init(j);
}

/* What the balancers have in common. */
static void init_checks(struct judge *j)
{
	j->turns = j->balancer_n > 0 && j->balancer[0].conf->policy == BAL_ROUNDROBIN;
	j->ahead = j->turns;
	for (unsigned i = 0; i < j->plan->fault_n; i++)
		j->restarts |= j->plan->fault[i].kind == PLAN_START &&
		               j->plan->node[j->plan->fault[i].node].role == PLAN_BALANCER;
	for (unsigned i = 0; i < j->balancer_n; i++)
		for (unsigned k = 0; k < j->balancer[i].conf->server_n; k++) {
			const struct bal_check *c = &j->balancer[i].conf->server[k].check;
			if (c->mode == BAL_CHECK_AUTO && c->timeout_ns > j->check_ns)
				j->check_ns = c->timeout_ns;
		}
	for (unsigned i = 0; i < j->plan->expect_n; i++) {
		const struct plan_expect *e = &j->plan->expect[i];
		if (e->kind == PLAN_EVEN)
			j->even[j->even_n++] = even_new(j, e);
		if (e->kind == PLAN_OUTAGE)
			j->outage[j->outage_n++] = outage_new(j, e);
	}
	rules_init(j);
	for (unsigned i = 0; i < j->balancer_n && j->names_wanted; i++)
		ring_init(&j->balancer[i].name, sizeof(struct name));
}

/* The tracker of a node, by its role. */
static int judge_track(struct judge *j, unsigned node, char error[JUDGE_ERROR_TEXT])
{
	const struct plan *p = j->plan;

	switch (p->node[node].role) {
	case PLAN_CLIENTS:
		j->tracked[node].index = j->client_n;
		return client_init(&j->client[j->client_n++], p, node, error);
	case PLAN_BALANCER:
		if (p->node[node].conf < 0 || (unsigned)p->node[node].conf >= p->conf_n) {
			snprintf(error, JUDGE_ERROR_TEXT, "plan: balancer %s has no configuration",
			         p->node[node].name);
			return -1;
		}
		j->tracked[node].index = j->balancer_n;
		balancer_init(&j->balancer[j->balancer_n], p, node, j->balancer_n);
		j->balancer_n++;
		return 0;
	case PLAN_RECURSOR:
		j->tracked[node].index = j->recursor_n;
		recursor_init(&j->recursor[j->recursor_n++], j, node);
		return 0;
	case PLAN_AUTHORITY:
		return 0; /* its frames are only counted */
	}
	return 0;
}

struct judge *judge_new(const struct plan *p, char error[JUDGE_ERROR_TEXT])
{
	struct judge *j = zeroed(1, sizeof(*j));

	j->plan = p;
	judge_alloc(j);
	for (unsigned i = 0; i < p->node_n; i++)
		if (judge_track(j, i, error) < 0) {
			judge_free(j);
			return NULL;
		}
	init_checks(j);
	return j;
}

static void free_expects(struct judge *j)
{
	for (unsigned i = 0; i < j->latency_n; i++)
		spread_free(&j->latency[i].spread);
	for (unsigned i = 0; i < j->even_n; i++)
		even_free(j->even[i]);
	rules_free(j);
	for (unsigned i = 0; i <= j->plan->fault_n; i++)
		spread_free(&j->phase[i].latency);
	for (unsigned i = 0; i < j->outage_n; i++)
		outage_free(j->outage[i]);
	free(j->outage);
	free(j->answers);
	gones_free(j);
	series_free(j);
	late_free(j->late);
	free(j->latency);
	free(j->cache);
	free(j->even);
	free(j->phase);
}

void judge_free(struct judge *take_j)
{
	if (take_j == NULL)
		return;
	free_expects(take_j);
	for (unsigned i = 0; i < take_j->client_n; i++)
		client_free(&take_j->client[i]);
	for (unsigned i = 0; i < take_j->balancer_n; i++)
		balancer_free(&take_j->balancer[i]);
	for (unsigned i = 0; i < take_j->recursor_n; i++)
		recursor_free(&take_j->recursor[i]);
	for (unsigned i = 0; i < take_j->invalid_n; i++)
		free(take_j->invalid[i]);
	for (unsigned i = 0; i < take_j->events.defect_n; i++)
		free(take_j->events.defect[i]);
	for (unsigned i = 0; i < take_j->events.violation_n; i++)
		free(take_j->events.violation[i].what);
	free(take_j->changes.at);
	free(take_j->client);
	free(take_j->balancer);
	free(take_j->recursor);
	free(take_j->tracked);
	table_free(&take_j->owners);
	free(take_j->events.fault);
	free(take_j->events.node);
	free(take_j);
}

static bool own_address(const struct tracked *n, const struct ip *ip)
{
	for (unsigned i = 0; i < n->addr_n; i++)
		if (same_ip(&n->addr[i], ip))
			return true;
	return false;
}

/* Whether the node sent what comes from ip: one of its addresses, or of its nets and nobody's. */
static bool node_owns(const struct judge *j, const struct tracked *n, const struct ip *ip)
{
	if (own_address(n, ip))
		return true;
	if (n->net_n == 0 || !prefix_any(n->net, n->net_n, ip))
		return false;
	return !n->mixed || table_find(&j->owners, key_of(ip, 0, 0, 0)) == NULL;
}

/* Time goes on: what is behind it by more than nodes may differ is settled. */
static void judge_sees(struct judge *j, int64_t t_ns)
{
	j->disorder += j->seen_ns != NEVER && t_ns < j->seen_ns - JUDGE_SKEW_NS;
	if (t_ns <= j->seen_ns)
		return;
	j->seen_ns = t_ns;
	if (t_ns < j->settle_ns)
		return;
	judge_settle(j, t_ns - JUDGE_SKEW_NS);
	j->settle_ns = t_ns + SETTLE_EACH_NS;
}

void judge_tap(struct judge *j, const struct judge_tap *t)
{
	const struct tracked *n = &j->tracked[t->node];
	unsigned i = n->index;

	judge_sees(j, t->t_ns);
	j->events.node[t->node].frames++;
	if (t->frame->kind == FRAME_OTHER)
		return;
	bool out = node_owns(j, n, &t->frame->src.ip);
	switch (n->role) {
	case PLAN_CLIENTS:
		client_tap(j, &j->client[i], t, out);
		break;
	case PLAN_BALANCER:
		balancer_tap(j, &j->balancer[i], t, out);
		break;
	case PLAN_RECURSOR:
		recursor_tap(j, &j->recursor[i], t, out);
		break;
	case PLAN_AUTHORITY:
		break;
	}
}

int64_t judge_slack_ns(const struct judge *j)
{
	return j->plan->limits.slack_ns + j->events.loop_gap_max_us * 1000;
}

json_t *judge_finish(struct judge *j)
{
	for (unsigned i = 0; i < j->balancer_n; i++)
		if (j->balancer[i].quiet != NULL)
			quiet_finish(j, &j->balancer[i]);
	j->over = true;
	judge_settle(j, INT64_MAX);
	if (j->file == NULL)
		gates(j);
	return judge_document(j);
}

/* ---- captures that no engine made ---- */

static struct balancer *balancer_of(struct judge *j, unsigned node)
{
	MUST(j->tracked[node].role == PLAN_BALANCER);
	return &j->balancer[j->tracked[node].index];
}

void judge_foreign(struct judge *j, const char *const *file)
{
	j->file = file;
}

void judge_back_only(struct judge *j, unsigned node, int64_t lag_ns)
{
	balancer_of(j, node)->back_only = true;
	j->lag_ns = lag_ns;
}

void judge_by_traffic(struct judge *j, unsigned node, double level)
{
	struct balancer *b = balancer_of(j, node);

	b->quiet = quiet_new(b, level / j->balancer_n);
}

uint64_t judge_disorder(const struct judge *j)
{
	return j->disorder;
}

size_t judge_retained(const struct judge *j)
{
	size_t n = 0;

	for (unsigned i = 0; i < j->client_n; i++) {
		const struct client *c = &j->client[i];
		n += c->query.next - c->query.base + c->retry.next - c->retry.base +
		     c->by_key.n + c->by_identity.n;
	}
	for (unsigned i = 0; i < j->balancer_n; i++) {
		const struct balancer *b = &j->balancer[i];
		n += b->front.next - b->front.base + b->lone.next - b->lone.base +
		     b->probe.next - b->probe.base + b->waiting.n + aging_n(&b->backs) +
		     aging_n(&b->owed) + b->sent.next - b->sent.base + aging_n(&b->stale) +
		     b->health.outcome_n + b->health.edge_n + b->gone_n;
	}
	for (unsigned i = 0; i < j->recursor_n; i++)
		n += aging_n(&j->recursor[i].open);
	for (unsigned i = 0; i < j->even_n; i++)
		n += even_retained(j->even[i]);
	return n + rules_retained(j);
}

void judge_invalid(struct judge *j, const char *format, ...)
{
	va_list ap;
	char line[512];

	if (j->invalid_n == INVALID_MAX) {
		j->invalid_more++;
		return;
	}
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	j->invalid[j->invalid_n] = strdup(line);
	MUST(j->invalid[j->invalid_n] != NULL);
	j->invalid_n++;
}
