/* SPDX-License-Identifier: BSD-3-Clause */
/* The conditions of lint.h, one a function. */
#include "lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "samples.h"
#include "schema.h"

#define MS INT64_C(1000000)

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
		if (c->policy == BAL_WRANDOM || c->policy == BAL_ROUNDROBIN)
			lint_add(l, false, c->path, s->line, "order has no effect under %s",
			         plan_policy_names[c->policy]);
	}
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
	print_remedy(remedy, sizeof(remedy), &s);
	if (s.need == 0 || s.least < s.need)
		lint_add(l, true, NULL, e->line, "expect.%s: %.0f queries are planned that count "
		         "(%llu at least, at flake %g), and to catch %g takes %llu: expected %s",
		         plan_expect_name(e->kind), s.mean, (unsigned long long)s.least, e->flake,
		         e->catch_ppm / 1e6, (unsigned long long)s.need, remedy);
}

/* Where shares are a claim at all: the policy of every configuration with the named servers. */
static void lint_even(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	bool random = false;

	for (unsigned i = 0; i < p->conf_n; i++) {
		enum bal_policy policy = p->conf[i].policy;
		if (policy != BAL_WRANDOM && policy != BAL_ROUNDROBIN) {
			lint_add(l, true, NULL, e->line,
			         "expect.%s: %s doesn't share evenly, and needn't: "
			         "expected wrandom or roundrobin in %s", plan_expect_name(e->kind),
			         plan_policy_names[policy], p->conf[i].path);
			return;
		}
		random = random || policy == BAL_WRANDOM;
	}
	if (random)
		lint_sample(l, p, e);
}

/* The bound must lie before the return, or before the load's end. */
static void lint_detect(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	int64_t model = plan_detect_ns(p, e->node[0]), last = 0;

	if (model == INT64_MAX)
		return; /* lint_servers has told */
	int64_t bound = (e->within_ns == PLAN_MODEL ? model : e->within_ns) + p->limits.slack_ns;
	if (bound < model)
		lint_add(l, false, NULL, e->line, "expect.detect.within is below %.3f s, the bound "
		         "out "
		         "of the configuration: a right balancer may fail", (double)model / 1e9);
	for (unsigned i = 0; i < p->load_n; i++)
		last = p->load[i].to_ns > last ? p->load[i].to_ns : last;
	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *f = &p->fault[i];
		if (f->node != e->node[0] || !plan_fault_silences(f->kind))
			continue;
		int end = plan_fault_end(p, i);
		int64_t until = end != PLAN_NONE && p->fault[end].at_ns < last ? p->fault[end].at_ns
		                                                               : last;
		if (until - f->at_ns <= bound)
			lint_add(l, true, NULL, e->line,
			         "expect.detect: %s is down for %.3f s of load, "
			         "not longer than the bound of %.3f s: expected more time after "
				"line %u",
			         p->node[f->node].name, (double)(until - f->at_ns) / 1e9,
			         (double)bound / 1e9, f->line);
	}
}

static void lint_back(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	int64_t model = plan_back_ns(p, e->node[0]);

	if (model != INT64_MAX && e->within_ns < model)
		lint_add(l, false, NULL, e->line, "expect.back.within is below %.3f s, the bound "
		         "out of "
		         "the configuration: a right balancer may fail", (double)model / 1e9);
	if (e->to_share)
		lint_even(l, p, e);
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
	for (unsigned i = 0; i < p->node_n; i++) {
		const struct plan_node *n = &p->node[i];
		if (n->role != PLAN_RECURSOR)
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

static void lint_expect(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	switch (e->kind) {
	case PLAN_EVEN: lint_even(l, p, e); break;
	case PLAN_DETECT: lint_detect(l, p, e); break;
	case PLAN_BACK: lint_back(l, p, e); break;
	case PLAN_CACHE: lint_cache(l, p, e); break;
	case PLAN_LATENCY: lint_latency(l, p, e); break;
	case PLAN_LOST: case PLAN_ANSWERS: break;
	}
}

static void lint_faults(struct lint *l, const struct plan *p)
{
	for (unsigned i = 0; i < p->fault_n; i++)
		if (p->fault[i].kind >= PLAN_SERVFAIL && p->recursor.path != NULL)
			lint_add(l, true, NULL, p->fault[i].line,
			         "%s can't %s on command: expected our "
			         "recursor-stub", p->recursor.path,
				plan_fault_name(p->fault[i].kind));
	unsigned line;
	if (p->for_virtual && plan_loses_tcp(p, &line))
		lint_add(l, !p->for_netns, NULL, line, "truncate sends clients to TCP while a link "
		         "loses frames, which virtual time can't: expected no loss at that time%s",
		         p->for_netns ? ", or engines = { \"netns\" }" : "");
}

void lint_plan(struct lint *l, const struct plan *p)
{
	double flakes = 0;

	for (unsigned i = 0; i < p->conf_n; i++)
		lint_servers(l, &p->conf[i]);
	lint_faults(l, p);
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
