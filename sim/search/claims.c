/* SPDX-License-Identifier: BSD-3-Clause */
/* Which claims a schedule bears, and the plan it makes; see claims.h. */
#include "claims.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/plan/bounds.h"
#include "sim/plan/lint.h"
#include "sim/plan/scenario.h"

#define SECOND INT64_C(1000000000)

int search_keep_parse(struct search_base *base, const char *text, char error[SEARCH_ERROR])
{
	for (const char *at = text; *at != '\0';) {
		size_t n = strcspn(at, ",");
		bool found = false;
		for (int k = 1; k < EXPECT_N; k++)
			if (strlen(plan_expect_names[k]) == n &&
			    strncmp(plan_expect_names[k], at, n) == 0) {
				base->keep |= 1u << k;
				found = true;
			}
		if (!found) {
			snprintf(error, SEARCH_ERROR, "--keep: '%.*s': expected kinds of claims, "
			         "as in lost,latency", n < 64 ? (int)n : 64, at);
			return -EINVAL;
		}
		at += n + (at[n] == ',');
	}
	return 0;
}

/* ---- what the schedule is like ---- */

/* Whether any fault is more than silence and return of recursors. */
static bool gentle(const struct plan *p)
{
	for (unsigned i = 0; i < p->fault_n; i++)
		if (p->node[p->fault[i].node].role != PLAN_RECURSOR ||
		    (search_spoils(p->fault[i].kind) & ~(unsigned)SEARCH_SILENCES))
			return false;
	for (unsigned i = 0; i < p->node_n; i++)
		if (plan_link_loses(&p->node[i].link))
			return false;
	return true;
}

static unsigned spoils(const struct plan *p)
{
	unsigned all = 0;

	for (unsigned i = 0; i < p->fault_n; i++)
		all |= search_spoils(p->fault[i].kind);
	return all;
}

/*
 * Whether a balancer hangs or is killed: what it draws then, or knows when it starts anew, isn't
 * told by the health checks that the judge follows at the time that it sees them.
 */
static bool balancer_stops(const struct plan *p)
{
	for (unsigned i = 0; i < p->fault_n; i++)
		if ((p->fault[i].kind == PLAN_KILL || p->fault[i].kind == PLAN_HANG) &&
		    p->node[p->fault[i].node].role == PLAN_BALANCER)
			return true;
	return false;
}

/* When node n may be out of service because of fault i, which silences it. */
static void span_of(const struct plan *p, unsigned i, int64_t *from, int64_t *to)
{
	int end = plan_fault_end(p, i);
	int64_t back = plan_back_ns(p, p->fault[i].node);

	*from = p->fault[i].at_ns;
	*to = INT64_MAX;
	if (end != PLAN_NONE && back < INT64_MAX / 4)
		*to = p->fault[end].at_ns + back + SECOND;
}

/*
 * Whether silences come one at a time, over all recursors, each longer than its detection: then the
 * others serve all the while, and the models of loss, detection and return hold.
 */
static bool one_at_a_time(const struct plan *p)
{
	int64_t free_ns = -1;

	for (unsigned i = 0; i < p->fault_n; i++) {
		int64_t from, to, detect = plan_detect_ns(p, p->fault[i].node);
		int end = plan_fault_end(p, i);
		if (!plan_fault_silences(p->fault[i].kind))
			continue;
		span_of(p, i, &from, &to);
		if (from <= free_ns || detect > INT64_MAX / 4)
			return false;
		if (end != PLAN_NONE && p->fault[end].at_ns - from <= detect + p->limits.slack_ns)
			return false;
		free_ns = to;
	}
	return true;
}

/* Whether each configuration has servers on two nodes at least, so that one can be missed. */
static bool spare(const struct plan *p)
{
	for (unsigned c = 0; c < p->conf_n; c++) {
		bool two = false;
		for (unsigned i = 1; i < p->conf[c].server_n; i++)
			two = two || p->conf[c].server_node[i] != p->conf[c].server_node[0];
		if (!two)
			return false;
	}
	return true;
}

/* ---- claims ---- */

static void whole_load(const struct plan *p, struct plan_expect *e)
{
	for (unsigned i = 0; i < p->load_n; i++)
		e->during_from_ns = i == 0 || p->load[i].from_ns < e->during_from_ns
		                    ? p->load[i].from_ns : e->during_from_ns;
	e->during_to_ns = search_load_end(p);
}

/* A new one, with the defaults of its kind. */
static struct plan_expect *claim(struct plan *p, enum plan_expect_kind kind)
{
	struct plan_expect *e = &p->expect[p->expect_n];

	const struct plan_expect *usual;
	unsigned n;
	const struct key *keys = expects_keys(kind, &n, &usual);

	*e = *usual;
	e->kind = kind;
	for (unsigned i = 0; i < n; i++)
		if (strcmp(keys[i].name, "during") == 0)
			whole_load(p, e);
	p->expect_n++;
	return e;
}

static bool has_room(const struct plan *p)
{
	return p->expect_n + 4 < PLAN_EXPECTS_MAX;
}

static void claim_node(struct plan *p, enum plan_expect_kind kind, int node, int64_t within_ns)
{
	struct plan_expect *e = claim(p, kind);

	e->node_n = 1;
	e->node[0] = node;
	e->within_ns = within_ns;
}

/* Whether node n goes at all, whether it comes back, and whether each return has time to show. */
static void claim_silence(struct plan *p, int node)
{
	int64_t within = plan_back_ns(p, node);
	bool goes = false, back = within < INT64_MAX / 4;
	unsigned returns = 0;

	within = back ? (within / SECOND + 2) * SECOND : 0;
	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *f = &p->fault[i];
		if (f->node != node)
			continue;
		goes = goes || plan_fault_silences(f->kind);
		if (!plan_fault_returns(f->kind))
			continue;
		returns++;
		int64_t next = search_load_end(p);
		for (unsigned k = i + 1; k < p->fault_n && p->fault[k].at_ns < next; k++)
			next = p->fault[k].at_ns;
		back = back && next - f->at_ns > within + 2 * p->limits.slack_ns + SECOND / 2;
	}
	if (goes)
		claim_node(p, PLAN_DETECT, node, PLAN_MODEL);
	if (goes && back && returns > 0)
		claim_node(p, PLAN_BACK, node, within);
}

/* A claim of the scenario's own, as far as the load goes. */
static void claim_kept(struct plan *p, const struct plan_expect *e, bool whole)
{
	int64_t end = search_load_end(p);

	if ((whole && e->during_to_ns == 0) || (!whole && e->during_from_ns >= end))
		return;
	struct plan_expect *own = &p->expect[p->expect_n++];
	*own = *e;
	if (own->during_to_ns == 0)
		return;
	if (whole)
		whole_load(p, own);
	own->during_to_ns = own->during_to_ns > end ? end : own->during_to_ns;
}

/* Whether detect or back can be about that node at all; the reader of scenarios asks, too. */
static bool has_cause(const struct plan *p, const struct plan_expect *e)
{
	bool found = e->kind != PLAN_DETECT && e->kind != PLAN_BACK;

	for (unsigned i = 0; i < p->fault_n && !found; i++)
		found = p->fault[i].node == e->node[0] &&
		        (e->kind == PLAN_DETECT ? plan_fault_silences(p->fault[i].kind)
		                                : plan_fault_returns(p->fault[i].kind));
	return found;
}

/* Takes out what lint refuses: claims that this plan can't decide. */
static void settle(struct plan *p)
{
	struct lint *l = calloc(1, sizeof(*l));
	unsigned n = 0;

	MUST(l != NULL);
	for (unsigned i = 0; i < p->expect_n; i++)
		p->expect[i].line = i + 1;
	lint_plan(l, p);
	for (unsigned i = 0; i < p->expect_n; i++) {
		bool bad = !has_cause(p, &p->expect[i]);
		for (unsigned k = 0; k < l->note_n; k++)
			bad = bad || (l->note[k].error && l->note[k].file[0] == '\0' &&
			              l->note[k].line == i + 1);
		if (!bad)
			p->expect[n++] = p->expect[i];
	}
	p->expect_n = n;
	for (unsigned i = 0; i < n; i++)
		p->expect[i].line = 0;
	free(l);
}

static void make_claims(struct plan *p, const struct search_base *base)
{
	const struct plan *own = base->plan;

	claim(p, PLAN_ANSWERS)->wrong = spoils(p) & SEARCH_WRONG ? UINT64_C(1) << 53 : 0;
	for (unsigned i = 0; i < own->expect_n && has_room(p); i++) {
		const struct plan_expect *e = &own->expect[i];
		if (base->keep >> e->kind & 1)
			claim_kept(p, e, false);
		else if (e->kind == PLAN_EVEN && !balancer_stops(p))
			claim_kept(p, e, true);
	}
	if (gentle(p) && one_at_a_time(p) && spare(p)) {
		if (!(base->keep >> PLAN_LOST & 1))
			claim(p, PLAN_LOST)->at_most = PLAN_MODEL;
		for (unsigned i = 0; i < p->node_n && has_room(p); i++)
			claim_silence(p, (int)i);
	}
	settle(p);
}

/* ---- plans ---- */

void search_case_draw(struct search_case *c, const struct search_base *base, uint64_t seed)
{
	struct plan p = *base->plan;

	p.seed = seed;
	c->cut_ns = search_load_end(&p);
	search_draw(&c->s, &base->spec, &p);
}

static void cut_loads(struct plan *p, int64_t cut_ns)
{
	p->end_ns = 0;
	for (unsigned i = 0; i < p->load_n; i++) {
		struct plan_load *l = &p->load[i];
		l->to_ns = l->to_ns < cut_ns ? l->to_ns : cut_ns;
		int64_t end = l->to_ns + (int64_t)l->tries * l->timeout_ns;
		p->end_ns = end > p->end_ns ? end : p->end_ns;
	}
}

struct plan *search_plan(const struct search_base *base, const struct search_case *c, uint64_t seed)
{
	struct plan *p = malloc(sizeof(*p));

	MUST(p != NULL);
	*p = *base->plan;
	p->seed = seed;
	p->fault = calloc(2 * SEARCH_EVENTS_MAX, sizeof(*p->fault));
	p->expect = calloc(PLAN_EXPECTS_MAX, sizeof(*p->expect));
	p->load = calloc(p->load_n + 1, sizeof(*p->load));
	MUST(p->fault != NULL && p->expect != NULL && p->load != NULL);
	memcpy(p->load, base->plan->load, p->load_n * sizeof(*p->load));
	p->fault_n = p->expect_n = 0;
	cut_loads(p, c->cut_ns);
	if (!search_lay_out(p, &c->s)) {
		search_plan_free(p);
		return NULL;
	}
	make_claims(p, base);
	return p;
}

void search_plan_free(struct plan *take_p)
{
	if (take_p == NULL)
		return;
	free(take_p->fault);
	free(take_p->expect);
	free(take_p->load);
	free(take_p);
}
