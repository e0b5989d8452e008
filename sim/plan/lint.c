/* SPDX-License-Identifier: BSD-3-Clause */
/* The conditions of lint.h, one a function. */
#include "lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "downs.h"
#include "replay.h"
#include "samples.h"
#include "schema.h"

#define MS INT64_C(1000000)

enum { POINTS_LEAST = 100 }; /* of a server on chashed's ring, so that shares are like weights */

void lint_add(struct lint *l, bool error, const char *file, unsigned line, const char *format, ...)
{
	va_list ap;

	if (l->note_n == LINT_NOTES_MAX)
		return;
	struct lint_note *n = &l->note[l->note_n++];
	n->error = error;
	n->line = line;
	snprintf(n->file, sizeof(n->file), "%s", file != NULL ? file : "");
	va_start(ap, format);
	vsnprintf(n->text, sizeof(n->text), format, ap);
	va_end(ap);
}

static bool ignores_order(enum bal_policy p)
{
	return p == BAL_WRANDOM || p == BAL_ROUNDROBIN || p == BAL_WHASHED || p == BAL_CHASHED;
}

static void lint_servers(struct lint *l, const struct plan_conf *c)
{
	for (unsigned i = 0; i < c->server_n; i++) {
		const struct bal_server *s = &c->server[i];
		if (s->check.timeout_ns < 10 * MS && s->check.mode == BAL_CHECK_AUTO)
			lint_add(l, false, c->path, s->line,
			         "checkTimeout of %s is %.6g ms: it is in "
			         "milliseconds", s->name, (double)s->check.timeout_ns / 1e6);
		if (s->check.mode != BAL_CHECK_AUTO)
			lint_add(l, false, c->path, s->line,
			         "%s isn't health-checked: nobody notices "
			         "when it dies", s->name);
		if (i == 0 || s->order == c->server[i - 1].order)
			continue;
		if (ignores_order(c->policy))
			lint_add(l, false, c->path, s->line, "order has no effect under %s",
			         plan_policy_names[c->policy]);
	}
}

/*
 * Claims take every server for one that any query may go to, and every query for one that is
 * answered as it was asked.
 */
static void lint_pools(struct lint *l, const struct plan *p, const struct plan_conf *c)
{
	if (c->rule_line > 0 && p->expect_n > 0)
		lint_add(l, true, c->path, c->rule_line, "rules, as this one, change what becomes "
		         "of queries, and claims don't know of them: expected no rule, or nothing "
		         "expected");
	for (unsigned i = 0; i < c->server_n && p->expect_n > 0; i++)
		if ((c->server[i].pools & 1) == 0)
			lint_add(l, true, c->path, c->server[i].line,
			         "%s isn't in the default pool, the only one that claims know: "
			         "expected it there, or nothing expected", c->server[i].name);
}

/* A server of few points on chashed's ring may get any share. */
static void lint_ring(struct lint *l, const struct plan_conf *c)
{
	int32_t least = INT32_MAX;

	for (unsigned i = 0; i < c->server_n; i++)
		least = c->server[i].weight < least ? c->server[i].weight : least;
	if (c->policy == BAL_CHASHED && c->server_n > 1 && least < POINTS_LEAST)
		lint_add(l, false, c->path, c->server[0].line, "chashed with a weight of %d is "
		         "badly uneven: expected a weight of %d and more for each server",
		         (int)least, POINTS_LEAST);
}

/* What would be enough: the rate in the same time, or the time at the same rate. */
static void print_remedy(char *out, size_t cap, const struct plan_sample *s)
{
	double factor = s->mean > 0 ? s->mean_needed / s->mean : 0;

	if (s->need == 0 || s->mean <= 0)
		snprintf(out, cap, "a greater catch, or time in which every recursor is up");
	else
		snprintf(out, cap, "%.4g times the rate (%.0f a second), %.4g s of it, or a "
		         "greater "
		         "catch", factor * 1.0005,
			s->mean_needed / ((double)s->window_ns / 1e9) + 0.5,
		         (double)s->window_ns / 1e9 * factor + 0.05);
}

static void lint_sample(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	struct plan_sample s;
	char remedy[160];

	plan_sample(&s, p, e);
	if (s.p_ppm == 0 || s.p_ppm == 1000000) {
		lint_add(l, true, NULL, e->line, "expect.%s: some balancer sends to none of these "
		         "recursors, or to one alone", plan_expect_name(e->kind));
		return;
	}
	if (2 * e->catch_ppm > s.p_ppm) {
		lint_add(l, true, NULL, e->line, "expect.%s.catch: %g: expected at most %g, half "
		         "of "
		         "the smallest share", plan_expect_name(e->kind), e->catch_ppm / 1e6,
		         s.p_ppm / 2e6);
		return;
	}
	if (s.names && s.need > 0 && s.least < s.need)
		lint_add(l, true, NULL, e->line, "expect.%s: %.0f different names are planned, "
		         "each balancer's counted apart (%llu at least, at flake %g), and to catch "
		         "%g takes %llu: expected more names, or a greater catch",
		         plan_expect_name(e->kind), s.mean, (unsigned long long)s.least, e->flake,
		         e->catch_ppm / 1e6, (unsigned long long)s.need);
	if (s.names && s.need > 0)
		return;
	print_remedy(remedy, sizeof(remedy), &s);
	if (s.cached && s.need > 0 && s.least < s.need) {
		lint_add(l, true, NULL, e->line, "expect.%s: names that repeat may be in a "
		         "balancer's packet cache, so %.0f queries are sure to be forwarded "
		         "(%llu at least, at flake %g), and to catch %g takes %llu: expected "
		         "unique() names",
		         plan_expect_name(e->kind), s.mean, (unsigned long long)s.least, e->flake,
		         e->catch_ppm / 1e6, (unsigned long long)s.need);
		return;
	}
	if (s.need == 0 || s.least < s.need)
		lint_add(l, true, NULL, e->line, "expect.%s: %.0f queries are planned that count "
		         "(%llu at least, at flake %g), and to catch %g takes %llu: expected %s",
		         plan_expect_name(e->kind), s.mean, (unsigned long long)s.least, e->flake,
		         e->catch_ppm / 1e6, (unsigned long long)s.need, remedy);
}

/* Shares of queries, or, for even alone, of names. */
static bool shares_evenly(enum bal_policy policy, enum plan_expect_kind kind)
{
	return policy == BAL_WRANDOM || policy == BAL_ROUNDROBIN ||
	       policy == BAL_ORDERED_WRANDOM || (policy == BAL_WHASHED && kind == PLAN_EVEN);
}

/* Where shares are a claim at all: the policy of every configuration with the named servers. */
static void lint_even(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	bool random = false;

	for (unsigned i = 0; i < p->conf_n; i++) {
		enum bal_policy policy = p->conf[i].policy;
		if (!shares_evenly(policy, e->kind)) {
			lint_add(l, true, NULL, e->line, "expect.%s: %s %s: expected wrandom, "
			         "orderedWrandUntag%s or roundrobin in %s, or 'policy' instead",
			         plan_expect_name(e->kind), plan_policy_names[policy],
			         policy == BAL_CHASHED ? "gives shares by the places on its ring"
			         : policy == BAL_WHASHED ? "shares names, and queries only as "
			         "these are asked for" : policy == BAL_LUA ? "functions share "
			         "as they like" : "doesn't share evenly, and needn't",
			         e->kind == PLAN_EVEN ? ", whashed" : "", p->conf[i].path);
			return;
		}
		random = random || policy != BAL_ROUNDROBIN;
		if (lint_factor(l, &p->conf[i], e))
			return;
	}
	if (random)
		lint_sample(l, p, e);
}

/* How long silence i lasts under load: at the least, whenever triggers come, and at most. */
static int64_t silent_ns(const struct plan *p, unsigned i, int64_t last_ns, int64_t *most_ns)
{
	const struct plan_fault *f = &p->fault[i], *e;
	int end = plan_fault_end(p, i);
	int64_t least = last_ns - f->at_ns;

	*most_ns = last_ns - plan_fault_earliest(f);
	if (end == PLAN_NONE)
		return least;
	e = &p->fault[end];
	bool own = e->when == PLAN_WHEN_DOWN && e->after == i + 1 && e->when_node == f->node;
	int64_t t = own ? plan_notice_ns(p, i) + e->plus_ns : plan_fault_earliest(e) - f->at_ns;
	int64_t most = e->at_ns - plan_fault_earliest(f);
	*most_ns = most < *most_ns ? most : *most_ns;
	return t < least ? t : least;
}

/* The bound must lie before the return, or before the load's end. */
static void lint_detect(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	int64_t model = plan_detect_ns(p, e->node[0]), last = 0;

	if (model == INT64_MAX && (e->within_ns == PLAN_MODEL || !lint_lazy(p, e->node[0])))
		return; /* lint_servers, or lint_health, has told */
	int64_t bound = (e->within_ns == PLAN_MODEL ? model : e->within_ns) + p->limits.slack_ns;
	if (bound < model && model < INT64_MAX)
		lint_add(l, false, NULL, e->line, "expect.detect.within is below %.3f s, the bound "
		         "out "
		         "of the configuration: a right balancer may fail", (double)model / 1e9);
	for (unsigned i = 0; i < p->load_n; i++)
		last = p->load[i].to_ns > last ? p->load[i].to_ns : last;
	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *f = &p->fault[i];
		if (f->node != e->node[0] || !plan_fault_silences(f->kind))
			continue;
		int64_t most, least = silent_ns(p, i, last, &most);
		if (least <= bound)
			lint_add(l, most <= bound, NULL, e->line,
			         "expect.detect: %s %s down for %.3f s of load, "
			         "not longer than the bound of %.3f s: expected more time after "
			         "line %u", p->node[f->node].name,
			         most <= bound ? "is" : "may be", (double)least / 1e9,
			         (double)bound / 1e9, f->line);
	}
}

static void lint_back(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	int64_t model = plan_back_ns(p, e->node[0]);

	if (p->node[e->node[0]].role == PLAN_BALANCER) {
		if (e->to_share)
			lint_add(l, true, NULL, e->line, "expect.back.to: a balancer has no share: "
			         "clients choose it");
		return;
	}
	if (model != INT64_MAX && e->within_ns < model)
		lint_add(l, false, NULL, e->line, "expect.back.within is below %.3f s, the bound "
		         "out of "
		         "the configuration: a right balancer may fail", (double)model / 1e9);
	if (e->to_share)
		lint_even(l, p, e);
}

static void lint_balancer_caches(struct lint *l, const struct plan *p,
                                 const struct plan_expect *e)
{
	for (unsigned i = 0; i < p->conf_n; i++)
		if (p->conf[i].cache_entries == 0)
			lint_add(l, true, NULL, e->line, "expect.cache.at: no packet cache in %s: "
			         "expected getPool(\"\"):setCache(newPacketCache(10000))",
			         p->conf[i].path);
}

static void lint_cache(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	bool unique = true;

	for (unsigned i = 0; i < p->load_n; i++)
		unique = unique && p->load[i].names == PLAN_UNIQUE;
	if (unique)
		lint_add(l, false, NULL, e->line, "expect.cache: names are unique, so nothing is "
		         "asked "
		         "twice");
	if (e->at_balancers) {
		lint_balancer_caches(l, p, e);
		return;
	}
	for (unsigned i = 0; i < p->node_n; i++) {
		const struct plan_node *n = &p->node[i];
		if (n->role != PLAN_RECURSOR || plan_captured_miss_ns(p) > 0)
			continue;
		if (!n->packetcache)
			lint_add(l, false, n->config_path, 0, "the packet cache of %s is off",
			         n->name);
		int64_t most = n->miss.kind == DIST_CONSTANT ? n->miss.a_ns : n->miss.b_ns;
		bool bounded = n->miss.kind == DIST_CONSTANT || n->miss.kind == DIST_UNIFORM;
		if (bounded && most <= e->within_ns)
			lint_add(l, true, NULL, e->line,
			         "expect.cache: a miss of %s takes %.6g ms at most, "
			         "so all look like hits: expected a miss above %.6g ms", n->name,
			         (double)most / 1e6, 2 * (double)e->within_ns / 1e6);
		else if (n->miss.a_ns <= 2 * e->within_ns)
			lint_add(l, false, NULL, e->line,
			         "expect.cache: a miss of %s may take less than "
			         "twice 'within': some look like hits", n->name);
	}
}

static void lint_latency(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	double above = 1 - e->quantile_ppm / 1e6;
	uint64_t n = plan_planned_least(p, e->during_from_ns, e->during_to_ns, e->flake);

	if ((double)n * above < 20)
		lint_add(l, true, NULL, e->line, "expect.latency: %llu queries are planned at "
		         "least, "
		         "%.3g above the quantile: expected 20, so %.0f queries",
		         (unsigned long long)n, (double)n * above, 20 / above);
}

static void lint_flaps(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	double mean = plan_flaps_mean(p, e);
	uint64_t most = mean > 0 ? 2 * plan_poisson_most(mean / 2, e->flake) : 0;

	if ((uint64_t)e->at_most < most)
		lint_add(l, true, NULL, e->line,
			"expect.flaps.at_most: %lld: health checks are lost "
		         "at random, so a right system's may change their minds %.4g times in the "
		         "mean: expected at least %llu", (long long)e->at_most, mean,
		         (unsigned long long)most);
}

static void lint_overshoot(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	double chance = plan_overshoot_chance(p, e), least = plan_overshoot_least(p, e);

	for (unsigned i = 0; i < p->conf_n; i++)
		if (p->conf[i].policy != BAL_WRANDOM && p->conf[i].policy != BAL_ROUNDROBIN) {
			lint_add(l, false, NULL, e->line, "expect.overshoot: %s doesn't draw by "
			         "weight: nothing says what a right system stays below, so no "
			         "rate of false alarms is declared",
			         plan_policy_names[p->conf[i].policy]);
			return;
		}
	if (chance <= e->flake)
		return;
	if (least > 0)
		lint_add(l, true, NULL, e->line, "expect.overshoot.at_most: %g: a right system "
		         "exceeds it with a probability of up to %.3g, above flake %g: expected at "
		         "least %g, or a greater flake", e->share_ppm / 1e6, chance, e->flake,
		         least);
	else
		lint_add(l, true, NULL, e->line, "expect.overshoot: even %u of %u in a row may be "
		         "chance: expected a greater flake", PLAN_HERD_WINDOW, PLAN_HERD_WINDOW);
}

static void lint_outage(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	int64_t model = plan_outage_ns(p, e->during_from_ns, e->during_to_ns, e->flake);

	if (plan_replays(p)) { /* which has pauses of its own */
		if (e->within_ns == PLAN_MODEL)
			lint_add(l, true, NULL, e->line, "expect.outage.within: \"model\" "
			         "doesn't know the pauses of captured queries: expected a time");
		return;
	}
	if (e->within_ns != PLAN_MODEL && e->within_ns + p->limits.slack_ns < model)
		lint_add(l, false, NULL, e->line, "expect.outage.within is below %.3f s, the bound "
		         "out of the configuration, faults and rate: a right system may fail",
		         (double)model / 1e9);
}

/* Who fails over: clients with a second try, at another balancer, that comes early enough. */
static void lint_failover(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	int64_t model = plan_failover_ns(p);
	unsigned balancers = 0;

	for (unsigned i = 0; i < p->node_n; i++)
		balancers += p->node[i].role == PLAN_BALANCER;
	for (unsigned i = 0; i < p->load_n; i++) {
		const struct plan_load *o = &p->load[i];
		if (o->tries < 2 || o->retry == PLAN_SAME || balancers < 2)
			lint_add(l, true, NULL, e->line,
				"expect.failover: clients of load %u ask no "
			         "other balancer: expected tries = 2, retry = \"other\" and a "
			         "second "
			         "balancer", i + 1);
	}
	if (e->within_ns != PLAN_MODEL && e->within_ns < model)
		lint_add(l, false, NULL, e->line, "expect.failover.within is below %.3f s, a try's "
		         "time-out and the longest that an answer takes: a right system may fail",
		         (double)model / 1e9);
}

/* What loses checks at random takes servers out at random, whole seconds at a time. */
static void lint_lost(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	for (unsigned i = 0; i < p->node_n && e->at_most == PLAN_MODEL; i++)
		if (p->node[i].role != PLAN_CLIENTS && plan_link_loses(&p->node[i].link)) {
			lint_add(l, false, NULL, e->line, "expect.lost: links lose frames, health "
			         "checks among them: \"model\" doesn't count what is lost when all "
			         "recursors are out by that; expected a count");
			return;
		}
}

static void lint_answers(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	uint64_t least = plan_planned_least(p, e->during_from_ns, e->during_to_ns, PLAN_FLAKE);

	if (e->error_least > least)
		lint_add(l, true, NULL, e->line,
			"expect.answers.error_least: %llu: expected at most "
		         "%llu, as many queries as there are surely planned",
		         (unsigned long long)e->error_least, (unsigned long long)least);
	if (e->error >= 0 && (uint64_t)e->error < e->error_least)
		lint_add(l, true, NULL, e->line, "expect.answers: error is below error_least");
}

static void lint_expect(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	switch (e->kind) {
	case PLAN_EVEN: lint_even(l, p, e); break;
	case PLAN_DETECT: lint_detect(l, p, e); break;
	case PLAN_BACK: lint_back(l, p, e); break;
	case PLAN_CACHE: lint_cache(l, p, e); break;
	case PLAN_LATENCY: lint_latency(l, p, e); break;
	case PLAN_POLICY: lint_policy(l, p, e); break;
	case PLAN_LOST: lint_lost(l, p, e); break;
	case PLAN_FLAPS: lint_flaps(l, p, e); break;
	case PLAN_OUTAGE: lint_outage(l, p, e); break;
	case PLAN_OVERSHOOT: lint_overshoot(l, p, e); break;
	case PLAN_FAILOVER: lint_failover(l, p, e); break;
	case PLAN_ANSWERS: lint_answers(l, p, e); break;
	}
}

/* What is spared is one name; another check's isn't. */
static void lint_spare(struct lint *l, const struct plan *p, const struct plan_fault *f)
{
	const struct bal_check *one = plan_check_of(p, f->node);

	for (unsigned c = 0; c < p->conf_n; c++)
		for (unsigned i = 0; i < p->conf[c].server_n; i++) {
			const struct bal_check *o = &p->conf[c].server[i].check;
			if (p->conf[c].server_node[i] != f->node || one == NULL ||
			    dns_name_eq(o->name, o->name_len, one->name, one->name_len))
				continue;
			lint_add(l, true, NULL, f->line, "spare: the balancers check %s by "
			         "several names: expected one checkName", p->node[f->node].name);
			return;
		}
}

/* Fault k waits for what i waits for, or for i, or for what does. */
static bool waits_with(const struct plan *p, unsigned k, unsigned i)
{
	const struct plan_fault *f = &p->fault[i], *o = &p->fault[k];

	if (o->when == f->when && o->when_node == f->when_node && o->after == f->after)
		return true;
	for (unsigned at = k; p->fault[at].after > 0; at = p->fault[at].after - 1)
		if (p->fault[at].after - 1 == i)
			return true;
	return false;
}

/* What may keep right balancers from the marks that a trigger waits for. */
static void lint_trigger(struct lint *l, const struct plan *p, unsigned i)
{
	const struct plan_fault *f = &p->fault[i], *base = &p->fault[f->after - 1];
	const char *word = f->when == PLAN_WHEN_UP ? "up" : "down", *node;

	node = p->node[f->when_node].name;
	if (!(f->when == PLAN_WHEN_UP ? plan_fault_returns(base->kind)
	                              : plan_fault_silences(base->kind)))
		lint_add(l, false, NULL, f->line, "at: a %s needn't make a balancer mark %s %s: "
		         "the %s may never come", plan_fault_name(base->kind), node, word,
		         plan_fault_name(f->kind));
	for (unsigned k = 0; k < p->fault_n; k++) {
		const struct plan_fault *s = &p->fault[k];
		int end = plan_fault_end(p, k);
		if (!plan_fault_silences(s->kind) || p->node[s->node].role != PLAN_BALANCER ||
		    waits_with(p, k, i) || plan_fault_earliest(s) >= f->at_ns - f->plus_ns ||
		    (end != PLAN_NONE && p->fault[end].at_ns <= plan_fault_earliest(base)))
			continue;
		lint_add(l, false, NULL, f->line, "at: %s may be silent when it has to mark %s "
		         "%s: the %s may never come", p->node[s->node].name, node, word,
		         plan_fault_name(f->kind));
	}
}

static void lint_faults(struct lint *l, const struct plan *p)
{
	for (unsigned i = 0; i < p->fault_n; i++)
		if (p->fault[i].when != PLAN_AT)
			lint_trigger(l, p, i);
	for (unsigned i = 0; i < p->fault_n; i++)
		if (p->fault[i].spares_checks)
			lint_spare(l, p, &p->fault[i]);
	for (unsigned i = 0; i < p->fault_n; i++)
		if (p->fault[i].kind >= PLAN_SERVFAIL && p->fault[i].kind <= PLAN_DROP &&
		    p->recursor.path != NULL)
			lint_add(l, true, NULL, p->fault[i].line,
			         "%s can't %s on command: expected our "
			         "recursor-stub", p->recursor.path,
				plan_fault_name(p->fault[i].kind));
	unsigned line;
	if (p->for_virtual && plan_upsets_tcp(p, &line))
		lint_add(l, !p->for_netns, NULL, line, "%s TCP while a link loses, doubles or "
		         "reorders frames, which virtual time can't: expected none of it at that "
		         "time%s", line > 0 ? "truncate sends clients to"
		                            : "queries or checks go over",
		         p->for_netns ? ", or engines = { \"netns\" }" : "");
}

void lint_plan(struct lint *l, const struct plan *p)
{
	double flakes = 0;

	for (unsigned i = 0; i < p->conf_n; i++) {
		lint_servers(l, &p->conf[i]);
		lint_lua(l, &p->conf[i]);
		lint_ring(l, &p->conf[i]);
		lint_pools(l, p, &p->conf[i]);
	}
	lint_faults(l, p);
	lint_health(l, p);
	lint_said(l, p);
	lint_more(l, p);
	for (unsigned i = 0; i < p->expect_n; i++) {
		lint_expect(l, p, &p->expect[i]);
		flakes += p->expect[i].flake;
	}
	if (flakes > 1e-6 * (1 + 1e-9))
		lint_add(l, false, NULL, 0, "the claims' flakes add up to %g, above 1e-06: a right "
		         "system fails more often than it should", flakes);
	if (p->expect_n == 0)
		lint_add(l, false, NULL, 0, "nothing is expected: the run can't fail");
}
