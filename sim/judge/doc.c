/* SPDX-License-Identifier: BSD-3-Clause */
/* The verdict document of docs/run-directory.md, out of findings, gates, phases and servers. */
#include <stdlib.h>
#include <string.h>

#include "inner.h"

static const double FLAKE = 1e-9, MISS = 1e-4;

static const char *verdict_names[] = { "PASS", "INCONCLUSIVE", "FAIL", "INVALID" };

double expect_flake(const struct plan_expect *e)
{
	return e->flake > 0 ? e->flake : FLAKE;
}

double expect_miss(const struct plan_expect *e)
{
	return e->miss > 0 ? e->miss : MISS;
}

void finding_frame(struct finding *f, const struct judge *j, unsigned node, uint64_t frame,
                   int64_t t_ns, const char *what)
{
	struct text file = { .n = 0 };

	if (j->file != NULL) {
		text_add(&file, "%s", j->file[frame >> JUDGE_FILE_SHIFT]);
		frame &= (UINT64_C(1) << JUDGE_FILE_SHIFT) - 1;
	} else {
		text_add(&file, "%s.pcap", node_name(j, (int)node));
	}
	json_array_append_new(f->evidence, json_pack("{s:s, s:I, s:I, s:s}", "pcap", file.s,
	                      "frame", (json_int_t)frame, "t_ns", (json_int_t)t_ns, "what", what));
}

/* Expectations of one kind stand in the plan's order where they are kept. */
struct cursor {
	unsigned even, answers, cache, latency, rule, outage;
};

static void expect_judge(struct judge *j, unsigned i, struct cursor *at, struct finding *f)
{
	const struct plan_expect *e = &j->plan->expect[i];

	switch (e->kind) {
	case PLAN_EVEN:
		expect_even(j->even[at->even++], f);
		break;
	case PLAN_DETECT:
		expect_detect(j, e, f);
		break;
	case PLAN_BACK:
		expect_back(j, e, f);
		break;
	case PLAN_LOST:
		expect_lost(j, e, f);
		break;
	case PLAN_ANSWERS:
		expect_answers(j, &j->answers[at->answers++], f);
		break;
	case PLAN_CACHE:
		expect_cache(j, at->cache++, f);
		break;
	case PLAN_LATENCY:
		expect_latency(&j->latency[at->latency++], f);
		break;
	case PLAN_POLICY:
		expect_policy(j->rule[at->rule++], f);
		break;
	case PLAN_FLAPS:
		expect_flaps(j, e, f);
		break;
	case PLAN_OUTAGE:
		expect_outage(j, j->outage[at->outage++], f);
		break;
	case PLAN_OVERSHOOT:
		expect_overshoot(j, e, f);
		break;
	case PLAN_FAILOVER:
		expect_failover(j, e, f);
		break;
	}
}

/* A share of flake is spent by whatever is decided by chance; even asks two such questions. */
static double flake_spent(const struct plan_expect *e)
{
	switch (e->kind) {
	case PLAN_EVEN:
		return 2 * expect_flake(e);
	case PLAN_LOST:
		return e->at_most == PLAN_MODEL ? expect_flake(e) : 0;
	case PLAN_DETECT:
	case PLAN_BACK:
	case PLAN_CACHE:
	case PLAN_LATENCY:
	case PLAN_POLICY:
	case PLAN_FLAPS:
	case PLAN_OUTAGE:
	case PLAN_OVERSHOOT:
	case PLAN_FAILOVER:
		return expect_flake(e);
	case PLAN_ANSWERS:
		break;
	}
	return 0;
}

static json_t *expectation(struct judge *j, unsigned i, struct cursor *at, enum verdict *worst)
{
	const struct plan_expect *e = &j->plan->expect[i];
	struct finding f = { .verdict = VERDICT_INCONCLUSIVE, .measured = json_object(),
	                     .bound = json_object(), .evidence = json_array() };

	expect_judge(j, i, at, &f);
	*worst = f.verdict > *worst ? f.verdict : *worst;
	return json_pack("{s:s, s:i, s:s, s:s, s:s, s:o, s:o, s:s, s:o}",
	                 "kind", plan_expect_name(e->kind), "line", (int)e->line,
	                 "title", f.title.s, "verdict", verdict_names[f.verdict],
	                 "claim", f.claim.s, "measured", f.measured, "bound", f.bound,
	                 "why", f.why.s, "evidence", f.evidence);
}

static json_t *expectations(struct judge *j, enum verdict *worst, double *flake_sum)
{
	json_t *list = json_array();
	struct cursor at = { 0 };

	for (unsigned i = 0; i < j->plan->expect_n; i++) {
		*flake_sum += flake_spent(&j->plan->expect[i]);
		json_array_append_new(list, expectation(j, i, &at, worst));
	}
	if (j->plan->expect_n == 0)
		*worst = VERDICT_INCONCLUSIVE;
	return list;
}

static json_t *invalid_list(const struct judge *j)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < j->invalid_n; i++)
		json_array_append_new(list, json_string(j->invalid[i]));
	if (j->invalid_more > 0)
		json_array_append_new(list, json_sprintf("and %u more", j->invalid_more));
	return list;
}

static void set(json_t *o, const char *key, int64_t value)
{
	json_object_set_new(o, key, json_integer((json_int_t)value));
}

static int64_t queue_drops(const struct judge *j)
{
	int64_t n = 0;

	for (unsigned i = 0; i < j->plan->node_n; i++)
		n += j->events.node[i].queue_drops;
	return n;
}

static json_t *harness(const struct judge *j)
{
	const struct events *e = &j->events;
	json_t *h = json_object();
	uint64_t unplanned = 0, unseen = 0, repeated = 0, unmatched = 0, given_up = 0;
	unsigned node;
	int64_t waited_us = programs_waited_us(j, &node);

	for (unsigned i = 0; i < j->client_n; i++) {
		unplanned += j->client[i].unplanned;
		unseen += j->client[i].tcp_unseen;
		given_up += j->client[i].tcp != NULL ? tcp_given_up(j->client[i].tcp) : 0;
	}
	for (unsigned i = 0; i < j->balancer_n; i++) {
		repeated += j->balancer[i].repeated;
		unmatched += j->balancer[i].answers_unmatched;
		given_up += j->balancer[i].tcp != NULL ? tcp_given_up(j->balancer[i].tcp) : 0;
	}
	json_object_set_new(h, "setup_ms", json_real((double)e->setup_us / 1000));
	json_object_set_new(h, "ready_ms", json_real((double)e->ready_us / 1000));
	set(h, "send_late_p50_us", e->late_p50_us);
	set(h, "send_late_p999_us", e->late_p999_us);
	set(h, "send_late_max_us", e->late_max_us);
	set(h, "left_late_p999_us", late_p999_us(j->late));
	set(h, "left_late_max_us", late_max_us(j->late));
	set(h, "wire_delay_p50_us", e->delay_p50_us);
	set(h, "wire_delay_p99_us", e->delay_p99_us);
	set(h, "wire_drops", e->wire_drops);
	set(h, "loop_gap_max_us", e->loop_gap_max_us);
	if (waited_us >= 0)
		set(h, "program_wait_max_us", waited_us);
	set(h, "unsent", e->unsent);
	set(h, "clock_step_us", e->clock_step_us);
	set(h, "unplanned_queries", (int64_t)unplanned);
	if (unseen > 0)
		set(h, "tcp_unseen", (int64_t)unseen);
	set(h, "matched_by_order", (int64_t)repeated);
	set(h, "answers_unmatched", (int64_t)unmatched);
	set(h, "tcp_given_up", (int64_t)given_up);
	if (engine_is_virtual(j))
		set(h, "host_queue_drops", queue_drops(j));
	return h;
}

/* ---- phases: the time between faults ---- */

static json_t *quantile(const struct spread *h, uint32_t ppm)
{
	int64_t v = spread_quantile(h, ppm);

	return h->n == 0 || v >= INT64_MAX / 4 ? json_null() : json_integer((json_int_t)(v / 1000));
}

static json_t *rank_us(const struct spread *h, uint64_t rank, bool most)
{
	int64_t v = rank < 1 || rank > h->n ? INT64_MAX :
	            most ? spread_rank_most(h, rank) : spread_rank_least(h, rank);

	return v >= INT64_MAX / 4 ? json_null() : json_integer((json_int_t)(v / 1000));
}

/* Between which order statistics the quantile surely lies, each end erring with MISS. */
static json_t *quantile_range(const struct spread *h, uint32_t ppm)
{
	struct stat_range r = { 0, 0 };

	if (h->n > 0)
		r = stat_quantile_ranks(h->n, ppm / 1e6, 2 * MISS);
	return json_pack("[o, o]", r.lo < 1 ? json_integer(0) : rank_us(h, r.lo, false),
	                 rank_us(h, r.hi, true));
}

/* The shortest time after which a query counts as lost. */
static int64_t lost_after_ns(const struct plan *p)
{
	int64_t least = INT64_MAX;

	for (unsigned i = 0; i < p->load_n; i++) {
		int64_t t = (int64_t)p->load[i].tries * p->load[i].timeout_ns;
		least = t < least ? t : least;
	}
	return least;
}

static json_t *phase_json(const struct plan *p, const struct phase *ph, const char *what)
{
	return json_pack("{s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}",
	                 "from_ns", (json_int_t)ph->from_ns, "to_ns", (json_int_t)ph->to_ns,
	                 "what", what, "queries", (json_int_t)ph->queries,
	                 "answered", (json_int_t)ph->answered, "lost", (json_int_t)ph->lost,
	                 "error", (json_int_t)ph->error, "wrong", (json_int_t)ph->wrong,
	                 "duplicate", (json_int_t)ph->duplicate, "late", (json_int_t)ph->late,
	                 "lost_after_ns", (json_int_t)lost_after_ns(p),
	                 "latency_range_us", json_pack("{s:o, s:o, s:o, s:o}",
	                                         "p50", quantile_range(&ph->latency, 500000),
	                                         "p90", quantile_range(&ph->latency, 900000),
	                                         "p99", quantile_range(&ph->latency, 990000),
	                                         "p999", quantile_range(&ph->latency, 999000)),
	                 "latency_us", json_pack("{s:o, s:o, s:o, s:o, s:o}",
	                                         "p50", quantile(&ph->latency, 500000),
	                                         "p90", quantile(&ph->latency, 900000),
	                                         "p99", quantile(&ph->latency, 990000),
	                                         "p999", quantile(&ph->latency, 999000),
	                                         "max", quantile(&ph->latency, 1000000)));
}

static json_t *phases(const struct judge *j)
{
	const struct plan *p = j->plan;
	json_t *list = json_array();

	for (unsigned i = 0; i <= p->fault_n; i++) {
		struct text what = { .n = 0 };
		if (i == 0)
			text_add(&what, "before");
		else
			text_add(&what, "%s %s", plan_fault_name(p->fault[i - 1].kind),
			         node_name(j, p->fault[i - 1].node));
		if (j->phase[i].to_ns > j->phase[i].from_ns)
			json_array_append_new(list, phase_json(p, &j->phase[i], what.s));
	}
	return list;
}

/* ---- servers ---- */

static uint64_t draws_to(const struct balancer *b, const struct ep *server)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < b->conf->server_n; i++)
		if (ep_eq(&b->conf->server[i].addr, server))
			n += b->server_draws[i];
	return n;
}

static json_t *server_json(const struct judge *j, const struct bal_server *s, uint64_t all)
{
	json_t *by = json_object();
	char address[EP_TEXT];
	uint64_t n = 0;

	for (unsigned i = 0; i < j->balancer_n; i++) {
		uint64_t own = draws_to(&j->balancer[i], &s->addr);
		n += own;
		set(by, node_name(j, (int)j->balancer[i].node), (int64_t)own);
	}
	ep_format(&s->addr, address);
	return json_pack("{s:s, s:s, s:I, s:I, s:o}", "name", s->name, "address", address,
	                 "queries", (json_int_t)n,
	                 "share_ppm", (json_int_t)(all > 0 ? n * 1000000 / all : 0),
	                 "by_balancer", by);
}

static bool server_told(const struct judge *j, unsigned conf, unsigned server)
{
	const struct plan_conf *c = j->plan->conf;

	for (unsigned i = 0; i <= conf; i++)
		for (unsigned k = 0; k < c[i].server_n && (i < conf || k < server); k++)
			if (ep_eq(&c[i].server[k].addr, &c[conf].server[server].addr))
				return true;
	return false;
}

static json_t *servers(const struct judge *j)
{
	json_t *list = json_array();
	uint64_t all = 0;

	for (unsigned i = 0; i < j->balancer_n; i++)
		all += j->balancer[i].draws;
	for (unsigned i = 0; i < j->plan->conf_n; i++)
		for (unsigned k = 0; k < j->plan->conf[i].server_n; k++)
			if (!server_told(j, i, k))
				json_array_append_new(list, server_json(j,
				                      &j->plan->conf[i].server[k], all));
	return list;
}

/* What the balancers' packet caches did; NULL where no balancer has one. */
static json_t *balancers(const struct judge *j)
{
	json_t *list = json_array();
	bool any = false;

	for (unsigned i = 0; i < j->balancer_n; i++) {
		const struct balancer *b = &j->balancer[i];
		any = any || b->conf->cache_entries > 0;
		json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I}",
		                      "name", node_name(j, (int)b->node),
		                      "queries", (json_int_t)b->queries,
		                      "hits", (json_int_t)b->hits,
		                      "forwarded", (json_int_t)b->draws));
	}
	if (any)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *program(const struct plan_program *p, const char *own)
{
	return json_pack("{s:s, s:s}", "program", p->path != NULL ? p->path : own,
	                 "version", p->version);
}

/* What was wrong on purpose, so that nobody takes the run for one of a right system. */
static json_t *defects(const struct judge *j)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < j->events.defect_n; i++)
		json_array_append_new(list, json_string(j->events.defect[i]));
	return list;
}

/* What the engine saw the system break; more than could be kept are a last entry. */
static json_t *violations(const struct judge *j)
{
	const struct events *e = &j->events;
	json_t *list = json_array();

	for (unsigned i = 0; i < e->violation_n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s*, s:I}",
		                      "what", e->violation[i].what, "node",
		                      e->violation[i].node == PLAN_NONE ? NULL :
		                      node_name(j, e->violation[i].node),
		                      "t_ns", (json_int_t)e->violation[i].t_ns));
	if (e->violation_more > 0)
		json_array_append_new(list, json_pack("{s:o}", "what", json_sprintf("and %llu more",
		                      (unsigned long long)e->violation_more)));
	return list;
}

json_t *judge_document(struct judge *j)
{
	enum verdict worst = VERDICT_PASS;
	double flake_sum = 0;
	json_t *list = expectations(j, &worst, &flake_sum);

	if (j->events.violation_n > 0)
		worst = VERDICT_FAIL;
	if (worst == VERDICT_FAIL && j->invalid_n == 0)
		gate_fail(j);
	if (j->invalid_n > 0)
		worst = VERDICT_INVALID;
	json_t *doc = json_pack("{s:s, s:s, s:I, s:s, s:s, s:o, s:o, s:f, s:o, s:o, s:o, s:o, "
	                        "s:o, s:o}",
	                        "verdict", verdict_names[worst], "scenario", j->plan->name,
	                        "seed", (json_int_t)j->plan->seed, "engine", j->events.engine,
	                        "plan_sha256", j->sha256,
	                        "balancer", program(&j->plan->balancer, "balancer"),
	                        "recursor", program(&j->plan->recursor, "recursor-stub"),
	                        "flake_sum", flake_sum, "expectations", list,
	                        "invalid", invalid_list(j), "harness", harness(j),
	                        "phases", phases(j), "servers", servers(j),
	                        "series", judge_series(j));
	json_t *captured = captured_json(j);
	if (captured != NULL)
		json_object_set_new(doc, "answers", captured);
	json_t *caches = balancers(j);
	if (caches != NULL)
		json_object_set_new(doc, "balancers", caches);
	if (j->events.violation_n > 0)
		json_object_set_new(doc, "violations", violations(j));
	if (j->events.defect_n > 0)
		json_object_set_new(doc, "defects", defects(j));
	return doc;
}

enum verdict judge_verdict(const json_t *doc)
{
	const char *s = json_string_value(json_object_get(doc, "verdict"));

	for (unsigned i = 0; s != NULL && i < COUNT_OF(verdict_names); i++)
		if (strcmp(s, verdict_names[i]) == 0)
			return (enum verdict)i;
	return VERDICT_INVALID;
}
