/* SPDX-License-Identifier: BSD-3-Clause */
/* Triggers of faults; see when.h. */
#include "when.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/must.h"

struct when {
	bool listens;     /* what it is after has been carried out */
	int64_t due_ns;   /* INT64_MAX: not known yet */
	unsigned left;    /* balancers that haven't marked yet */
	bool *marked;     /* by node; NULL: an instant of its own */
};

struct whens {
	const struct plan *p;
	struct when *when; /* by fault */
};

/* A balancer that would mark the recursor at all. */
static bool checks(const struct plan *p, unsigned balancer, int server)
{
	if (p->node[balancer].role != PLAN_BALANCER)
		return false;
	const struct plan_conf *c = &p->conf[p->node[balancer].conf];
	for (unsigned i = 0; i < c->server_n; i++)
		if (c->server_node[i] == server && c->server[i].check.mode == BAL_CHECK_AUTO)
			return true;
	return false;
}

struct whens *whens_new(const struct plan *p)
{
	struct whens *w = calloc(1, sizeof(*w));

	MUST(w != NULL);
	w->p = p;
	w->when = calloc(p->fault_n + 1, sizeof(*w->when));
	MUST(w->when != NULL);
	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *f = &p->fault[i];
		struct when *k = &w->when[i];
		k->due_ns = f->when == PLAN_AT ? f->at_ns : INT64_MAX;
		if (f->when == PLAN_AT)
			continue;
		k->marked = calloc(p->node_n, sizeof(*k->marked));
		MUST(k->marked != NULL);
		for (unsigned b = 0; b < p->node_n; b++)
			k->left += checks(p, b, f->when_node);
	}
	return w;
}

void whens_free(struct whens *take_w)
{
	if (take_w == NULL)
		return;
	for (unsigned i = 0; i < take_w->p->fault_n; i++)
		free(take_w->when[i].marked);
	free(take_w->when);
	free(take_w);
}

void whens_struck(struct whens *w, unsigned fault)
{
	for (unsigned i = 0; i < w->p->fault_n; i++)
		if (w->p->fault[i].when != PLAN_AT && w->p->fault[i].after == fault + 1)
			w->when[i].listens = true;
}

bool whens_marked(struct whens *w, unsigned balancer, int server, bool up, int64_t t_ns)
{
	bool due = false;

	for (unsigned i = 0; i < w->p->fault_n; i++) {
		const struct plan_fault *f = &w->p->fault[i];
		struct when *k = &w->when[i];
		if (f->when != (up ? PLAN_WHEN_UP : PLAN_WHEN_DOWN) || f->when_node != server ||
		    !k->listens || k->left == 0 || k->marked[balancer] ||
		    !checks(w->p, balancer, server) || t_ns > f->at_ns - f->plus_ns)
			continue;
		k->marked[balancer] = true;
		if (--k->left == 0) {
			k->due_ns = t_ns + f->plus_ns;
			due = true;
		}
	}
	return due;
}

int64_t whens_due(const struct whens *w, unsigned i)
{
	return w->when[i].due_ns;
}

bool whens_any(const struct whens *w)
{
	for (unsigned i = 0; i < w->p->fault_n; i++)
		if (w->p->fault[i].when != PLAN_AT)
			return true;
	return false;
}

bool whens_listen(const struct whens *w)
{
	for (unsigned i = 0; i < w->p->fault_n; i++)
		if (w->when[i].listens && w->when[i].left > 0)
			return true;
	return false;
}

void whens_missing(const struct whens *w, unsigned i, char *out, size_t cap)
{
	const struct plan *p = w->p;
	const struct plan_fault *f = &p->fault[i];
	const struct when *k = &w->when[i];
	const char *word = f->when == PLAN_WHEN_UP ? "up" : "down";

	if (!k->listens) {
		snprintf(out, cap, "not triggered: what it comes after wasn't carried out");
		return;
	}
	for (unsigned b = 0; b < p->node_n; b++)
		if (checks(p, b, f->when_node) && !k->marked[b]) {
			snprintf(out, cap, "not triggered: %s hasn't marked %s %s by %.9g s",
			         p->node[b].name, p->node[f->when_node].name, word,
			         (double)(f->at_ns - f->plus_ns) / 1e9);
			return;
		}
	snprintf(out, cap, "not triggered");
}
