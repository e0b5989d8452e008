/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plan of a run that would have made such a capture: a node for each balancer and each server,
 * a configuration for each balancer, as servers' epochs may be known from other things at each, and
 * what the policy claims. There is no load, no fault, and no link.
 */
#include <stdlib.h>
#include <string.h>

#include "inner.h"
#include "sim/plan/plan_io.h"

static void *room(size_t n, size_t size)
{
	void *p = calloc(n > 0 ? n : 1, size);

	MUST(p != NULL);
	return p;
}

bool foreign_draws(enum bal_policy p)
{
	return p == BAL_WRANDOM || p == BAL_ROUNDROBIN;
}

bool foreign_by_traffic(const struct foreign *f, unsigned balancer, unsigned backend)
{
	const struct bal_check *c = &f->o->conf.server[backend].check;
	enum foreign_epochs e = f->o->epochs;

	if (c->mode != BAL_CHECK_AUTO || e == EPOCHS_NONE)
		return false;
	return e == EPOCHS_TRAFFIC || !survey_checked(f->survey, balancer, backend, c->lazy.on);
}

static void fill_conf(struct foreign *f, struct plan_conf *c, unsigned balancer)
{
	plan_conf_copy(c, &f->o->conf);
	c->path = strdup("");
	MUST(c->path != NULL);
	for (unsigned i = 0; i < c->server_n; i++) {
		struct bal_check *k = &c->server[i].check;
		bool traffic = foreign_by_traffic(f, balancer, i);
		int64_t each_ns = survey_interval_ns(&f->survey->pair[balancer][i]);
		k->interval_ns = each_ns > 0 ? each_ns : k->interval_ns;
		c->server_node[i] = (int)(f->who.balancer_n + i);
		f->by_traffic |= traffic;
		f->checked[balancer][i] = !traffic && k->mode == BAL_CHECK_AUTO &&
		                          f->o->epochs != EPOCHS_NONE;
		f->by_checks |= f->checked[balancer][i];
		if (k->mode == BAL_CHECK_AUTO && (traffic || f->o->epochs == EPOCHS_NONE))
			k->mode = BAL_CHECK_UP;
	}
}

static void fill_nodes(struct foreign *f, struct plan *p)
{
	const struct who *w = &f->who;

	for (unsigned i = 0; i < w->balancer_n; i++) {
		struct plan_node *n = &p->node[i];
		*n = (struct plan_node){ .role = PLAN_BALANCER, .conf = (int)i };
		memcpy(n->name, f->balancer_name[i], sizeof(n->name));
		for (unsigned a = 0; a < w->address_n; a++)
			if (w->owner[a] == i && n->addr_n < PLAN_ADDRS_MAX)
				n->addr[n->addr_n++] = w->address[a];
	}
	for (unsigned i = 0; i < w->backend_n; i++) {
		struct plan_node *n = &p->node[w->balancer_n + i];
		*n = (struct plan_node){ .role = PLAN_RECURSOR, .conf = PLAN_NONE, .addr_n = 1,
		                         .addr = { w->backend[i].ip } };
		memcpy(n->name, f->o->conf.server[i].name, sizeof(n->name));
	}
}

static void add_expect(struct foreign *f, struct plan *p, enum plan_expect_kind kind)
{
	struct plan_expect *e = &p->expect[p->expect_n++];

	*e = (struct plan_expect){ .kind = kind, .during_from_ns = f->o->from_ns,
	                           .during_to_ns = f->o->to_ns };
	e->flake = f->o->flake;
	if (kind != PLAN_EVEN)
		return;
	e->catch_ppm = f->o->catch_ppm;
	e->miss = f->o->miss;
	for (unsigned i = 0; i < f->who.backend_n; i++)
		if (p->conf[0].policy != BAL_ORDERED_WRANDOM ||
		    p->conf[0].server[i].order == p->conf[0].server[0].order)
			e->node[e->node_n++] = (int)(f->who.balancer_n + i);
}

/* What there is to claim: shares where chance or turns make them, the rule where that is kept. */
static void add_expects(struct foreign *f, struct plan *p)
{
	switch (f->o->conf.policy) {
	case BAL_WRANDOM:
	case BAL_ROUNDROBIN:
	case BAL_ORDERED_WRANDOM:
		add_expect(f, p, PLAN_EVEN);
		break;
	case BAL_WHASHED:
		add_expect(f, p, PLAN_EVEN);
		add_expect(f, p, PLAN_POLICY);
		break;
	case BAL_LEAST_OUTSTANDING:
	case BAL_FIRST_AVAILABLE:
	case BAL_CHASHED:
	case BAL_LUA:
		add_expect(f, p, PLAN_POLICY);
		break;
	}
}

/* The judge's series is as long as the last load, and none but that is looked at. */
static void add_span(struct foreign *f, struct plan *p)
{
	p->end_ns = f->survey->last_ns - f->survey->first_ns + 1;
}

struct plan *foreign_plan(struct foreign *f)
{
	struct plan *p = room(1, sizeof(*p));

	memcpy(p->name, "capture", sizeof("capture"));
	p->scenario_path = strdup("");
	MUST(p->scenario_path != NULL);
	p->seed = 1;
	p->balancer.checks = PLAN_CHECKS_ROUNDS; /* whoever's: the widest intervals */
	p->limits = (struct plan_limits){ .slack_ns = 20000000 };
	p->conf_n = f->who.balancer_n;
	p->conf = room(p->conf_n, sizeof(*p->conf));
	for (unsigned i = 0; i < p->conf_n; i++)
		fill_conf(f, &p->conf[i], i);
	p->node_n = f->who.balancer_n + f->who.backend_n;
	p->node = room(p->node_n, sizeof(*p->node));
	fill_nodes(f, p);
	p->expect = room(2, sizeof(*p->expect));
	if (p->conf_n > 0)
		add_expects(f, p);
	add_span(f, p);
	return p;
}
