/* SPDX-License-Identifier: BSD-3-Clause */
/* The conditions of check.h. */
#include "check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "schema.h"

static int __attribute__((format(printf, 2, 3))) wrong(char *error, const char *format, ...)
{
	va_list ap;
	char what[PLAN_ERROR_TEXT - 32];

	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	snprintf(error, PLAN_ERROR_TEXT, "plan.json: %s", what);
	return -EINVAL;
}

static bool role_is(const struct plan *p, int node, enum plan_role role)
{
	return node >= 0 && (unsigned)node < p->node_n && p->node[node].role == role;
}

bool plan_dist_ok(const struct dist_spec *d)
{
	switch (d->kind) {
	case DIST_CONSTANT: return d->a_ns >= 0;
	case DIST_UNIFORM: return d->a_ns >= 0 && d->b_ns >= d->a_ns;
	case DIST_EXPONENTIAL: return d->a_ns >= 0;
	case DIST_LOGNORMAL: return d->a_ns > 0 && d->b_ns > d->a_ns;
	}
	return false;
}

static int check_node(const struct plan *p, unsigned i, char *error)
{
	const struct plan_node *n = &p->node[i];

	if (n->name[0] == '\0' || plan_find_node(p, n->name) != (int)i)
		return wrong(error, "node[%u].name '%s': expected a name of its own", i, n->name);
	if (i > 0 && p->node[i - 1].role > n->role)
		return wrong(error, "node[%u].role: expected clients, balancers, recursors, "
		             "authorities", i);
	if (n->role == PLAN_CLIENTS && n->net_n == 0)
		return wrong(error, "node[%u].nets: expected one at least", i);
	if (n->role != PLAN_CLIENTS && (n->addr_n == 0 || n->net_n > 0))
		return wrong(error, "node[%u]: expected addresses and no nets", i);
	if ((n->role == PLAN_BALANCER) != (n->conf != PLAN_NONE) ||
	    (n->role == PLAN_BALANCER && (unsigned)n->conf >= p->conf_n))
		return wrong(error, "node[%u].conf %d: expected a balancer's conf", i, n->conf);
	bool configured = n->role == PLAN_BALANCER || n->role == PLAN_RECURSOR;
	if (configured != (n->config_path != NULL))
		return wrong(error, "node[%u].config_path: expected one of a balancer or recursor, "
		             "none of others", i);
	if (!plan_dist_ok(&n->miss))
		return wrong(error, "node[%u].miss: can't be drawn from", i);
	return 0;
}

static int check_conf(const struct plan *p, unsigned i, char *error)
{
	const struct plan_conf *c = &p->conf[i];

	if (c->path == NULL)
		return wrong(error, "conf[%u].path: expected a text", i);
	for (unsigned s = 0; s < c->server_n; s++) {
		const struct bal_check *k = &c->server[s].check;
		if (!role_is(p, c->server_node[s], PLAN_RECURSOR))
			return wrong(error, "conf[%u].server_node[%u]: expected a recursor", i, s);
		if (k->interval_ns < 1 || k->timeout_ns < 1)
			return wrong(error, "conf[%u].server[%u].check: expected an interval "
			             "and a timeout above 0", i, s);
		if (k->lazy.on && (k->lazy.failed_ns < 1 || k->lazy.back_off_max_ns < 1 ||
		                   k->lazy.samples < 1))
			return wrong(error, "conf[%u].server[%u].check: expected lazy_failed_ns, "
			             "lazy_back_off_max_ns and lazy_samples above 0", i, s);
	}
	return 0;
}

static int check_load(const struct plan *p, unsigned i, char *error)
{
	const struct plan_load *l = &p->load[i];
	uint64_t sum = 0;

	if (!role_is(p, l->node, PLAN_CLIENTS))
		return wrong(error, "load[%u].node %d: expected a client node", i, l->node);
	if (l->from_ns >= l->to_ns || l->timeout_ns < 1)
		return wrong(error, "load[%u]: expected from_ns < to_ns and a timeout", i);
	if (p->end_ns < l->to_ns + l->tries * l->timeout_ns)
		return wrong(error, "load[%u]: runs past end_ns", i);
	if (l->family == 5)
		return wrong(error, "load[%u].family: expected 4 or 6", i);
	bool replay = l->replay_n > 0;
	if (replay != (l->names == PLAN_CAPTURED_NAMES) ||
	    replay != (l->arrivals == PLAN_CAPTURED_TIMES))
		return wrong(error, "load[%u]: expected captured names and arrivals with a "
		             "replay, and only there", i);
	if (replay && (l->replay->path == NULL || strlen(l->replay->sha256) != 64))
		return wrong(error, "load[%u].replay: expected a path and a sha256", i);
	if (replay && trace_lasts(&l->replay->pace) > PLAN_TIME_MAX_NS / 4)
		return wrong(error, "load[%u].replay: all loops last too long", i);
	if (l->names == PLAN_ZIPF && l->name_n == 0)
		return wrong(error, "load[%u].name_n: expected 1 at least", i);
	if (l->edns_size > 0 && l->edns_size < DNS_UDP_MAX)
		return wrong(error, "load[%u].edns_size: expected 0 or 512 at least", i);
	for (unsigned t = 0; t < l->type_n; t++)
		sum += l->type[t].share_ppm;
	if (sum != 1000000)
		return wrong(error, "load[%u].types: expected shares that add up to 1000000", i);
	for (unsigned n = 0; n < p->node_n; n++) {
		bool found = p->node[n].role != PLAN_BALANCER;
		for (unsigned a = 0; a < p->node[n].addr_n; a++)
			found = found || ip_is4(&p->node[n].addr[a]) == (l->family == 4);
		if (!found)
			return wrong(error, "load[%u].family: node[%u] has no such address", i, n);
	}
	return 0;
}

/* A direction is a link's; a rate has a queue. */
static int check_fault_values(const struct plan_fault *f, unsigned i, char *error)
{
	bool link = f->kind >= PLAN_LOSS && f->kind <= PLAN_CUT;

	if (f->way != PLAN_BOTH_WAYS && !link)
		return wrong(error, "fault[%u].way: %s has none", i, plan_fault_name(f->kind));
	if (f->kind == PLAN_CUT && f->way == PLAN_BOTH_WAYS)
		return wrong(error, "fault[%u].way: expected out or in", i);
	if ((f->rate_bps > 0) != (f->queue_bytes > 0) || (f->rate_bps > 0 && f->kind != PLAN_RATE))
		return wrong(error, "fault[%u]: expected rate_bps and queue_bytes together, of a "
		             "rate", i);
	return 0;
}

static bool trigger_ok(const struct plan *p, unsigned i)
{
	const struct plan_fault *f = &p->fault[i];

	return role_is(p, f->when_node, PLAN_RECURSOR) && f->after >= 1 && f->after <= i &&
	       f->plus_ns <= f->at_ns && f->earliest_ns <= f->at_ns;
}

static int check_fault(const struct plan *p, unsigned i, char *error)
{
	if ((unsigned)p->fault[i].node >= p->node_n)
		return wrong(error, "fault[%u].node %d: no such node", i, p->fault[i].node);
	if (i > 0 && p->fault[i - 1].at_ns > p->fault[i].at_ns)
		return wrong(error, "fault[%u].at_ns: expected faults in the order of time", i);
	if (p->fault[i].when != PLAN_AT && !trigger_ok(p, i))
		return wrong(error, "fault[%u].when: expected a recursor, after an earlier fault, "
		             "and earliest_ns and plus_ns of at_ns at most", i);
	return check_fault_values(&p->fault[i], i, error);
}

/* A claim's node is a recursor; failover's a balancer, and back's either. */
static bool may_name(const struct plan *p, const struct plan_expect *e, int node)
{
	bool balancer = role_is(p, node, PLAN_BALANCER);

	if (e->kind == PLAN_FAILOVER)
		return balancer;
	return role_is(p, node, PLAN_RECURSOR) || (e->kind == PLAN_BACK && balancer);
}

static bool names_enough(const struct plan_expect *e)
{
	switch (e->kind) {
	case PLAN_EVEN:
		return e->node_n >= 2;
	case PLAN_FLAPS:
		return e->node_n >= 1;
	case PLAN_DETECT: case PLAN_BACK: case PLAN_OVERSHOOT: case PLAN_FAILOVER:
		return e->node_n == 1;
	default:
		return e->node_n == 0;
	}
}

static bool may_be_model(const struct plan_expect *e)
{
	return e->kind == PLAN_DETECT || e->kind == PLAN_OUTAGE || e->kind == PLAN_OVERSHOOT ||
	       e->kind == PLAN_FAILOVER;
}

static int check_expect(const struct plan *p, unsigned i, char *error)
{
	const struct plan_expect *e = &p->expect[i];

	for (unsigned k = 0; k < e->node_n; k++)
		if (!may_name(p, e, e->node[k]))
			return wrong(error, "expect[%u].nodes[%u]: expected a %s", i, k,
			             e->kind == PLAN_FAILOVER ? "balancer" : "recursor");
	if (!names_enough(e))
		return wrong(error, "expect[%u].nodes: not as many as its kind wants", i);
	if (e->kind != PLAN_ANSWERS && !(e->flake >= 1e-15 && e->flake <= 0.5))
		return wrong(error, "expect[%u].flake: expected 1e-15...0.5", i);
	bool shares = e->kind == PLAN_EVEN || e->kind == PLAN_BACK;
	if (shares && !(e->miss >= 1e-15 && e->miss <= 0.5 && e->catch_ppm > 0))
		return wrong(error, "expect[%u]: expected a catch, and a miss 1e-15...0.5", i);
	if (e->during_from_ns > e->during_to_ns)
		return wrong(error, "expect[%u]: the window ends before it begins", i);
	if (!may_be_model(e) && e->within_ns == PLAN_MODEL)
		return wrong(error, "expect[%u].within_ns: \"model\" is for detect, outage, "
		             "overshoot and failover", i);
	if (e->kind == PLAN_FLAPS && e->at_most == PLAN_MODEL)
		return wrong(error, "expect[%u].at_most: \"model\" is for lost", i);
	return 0;
}

int plan_check(const struct plan *p, char error[PLAN_ERROR_TEXT])
{
	int e = 0;

	if (p->name[0] == '\0' || p->scenario_path == NULL)
		return wrong(error, "name, scenario_path: expected both");
	if (!role_is(p, 0, PLAN_CLIENTS) || p->load_n == 0)
		return wrong(error, "node, load: expected clients and a load");
	for (unsigned i = 0; e == 0 && i < p->node_n; i++)
		e = check_node(p, i, error);
	for (unsigned i = 0; e == 0 && i < p->conf_n; i++)
		e = check_conf(p, i, error);
	for (unsigned i = 0; e == 0 && i < p->load_n; i++)
		e = check_load(p, i, error);
	if (e == 0 && p->answers_n > 0 &&
	    (p->answers->path == NULL || strlen(p->answers->sha256) != 64))
		e = wrong(error, "answers[0]: expected a path and a sha256");
	for (unsigned i = 0; e == 0 && i < p->fault_n; i++)
		e = check_fault(p, i, error);
	for (unsigned i = 0; e == 0 && i < p->expect_n; i++)
		e = check_expect(p, i, error);
	return e;
}
