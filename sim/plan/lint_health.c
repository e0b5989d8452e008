/* SPDX-License-Identifier: BSD-3-Clause */
/* Health checks that the judge can't follow, so that no claim rests on what it can't know. */
#include "bounds.h"
#include "lint.h"

/* Who checks the node's servers lazily, or NULL. */
static const struct plan_conf *lazy_conf(const struct plan *p, int node)
{
	for (unsigned c = 0; c < p->conf_n; c++)
		for (unsigned i = 0; i < p->conf[c].server_n; i++) {
			const struct bal_check *k = &p->conf[c].server[i].check;
			if (p->conf[c].server_node[i] == node && k->lazy.on &&
			    k->mode == BAL_CHECK_AUTO)
				return &p->conf[c];
		}
	return NULL;
}

bool lint_lazy(const struct plan *p, int node)
{
	return lazy_conf(p, node) != NULL;
}

static void lint_lazy_detect(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	const struct plan_conf *c = lazy_conf(p, e->node[0]);

	if (c == NULL || e->within_ns != PLAN_MODEL || plan_detect_ns(p, e->node[0]) < INT64_MAX)
		return;
	lint_add(l, true, NULL, e->line, "expect.detect: %s is checked lazily in %s, so how soon "
	         "its death is noticed depends on how many queries it gets, and that is known "
	         "of one load only, balancers chosen per query, under wrandom or roundrobin "
	         "without a packet cache: expected within = TIME", p->node[e->node[0]].name,
	         c->path);
}

/* A silence whose detection isn't bounded bounds no loss either. */
static void lint_lazy_lost(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	for (unsigned i = 0; i < p->fault_n && e->at_most == PLAN_MODEL; i++) {
		const struct plan_fault *f = &p->fault[i];
		if (!plan_fault_silences(f->kind) || lazy_conf(p, f->node) == NULL ||
		    plan_detect_ns(p, f->node) < INT64_MAX)
			continue;
		lint_add(l, true, NULL, e->line, "expect.lost: %s is checked lazily, and how soon "
		         "its death is noticed isn't known: expected a count",
		         p->node[f->node].name);
		return;
	}
}

/* What is behind a PROXY header is no DNS message to the judge, nor to the stub. */
static void lint_ways(struct lint *l, const struct plan *p, const struct plan_conf *c)
{
	for (unsigned i = 0; i < c->server_n; i++) {
		const struct bal_server *s = &c->server[i];
		if (p->for_virtual && (!ip_is_any(&s->from) || s->from_interface[0] != '\0'))
			lint_add(l, false, c->path, s->line, "source of %s has no effect in "
			         "virtual time, where a balancer sends from its own addresses",
			         s->name);
		int64_t own_ns = s->udp_timeout_ns, one_ns = c->server[0].udp_timeout_ns;
		if (own_ns != one_ns && own_ns != c->udp_timeout_ns)
			lint_add(l, true, c->path, s->line, "udpTimeout of %s differs from the "
			         "others', and the judge knows one: expected the same for all, "
			         "or setUDPTimeout", s->name);
		if (s->proxy)
			lint_add(l, true, c->path, s->line, "%s wants PROXY headers, "
			         "behind which the judge reads nothing: expected a server without "
			         "useProxyProtocol", s->name);
	}
}

void lint_health(struct lint *l, const struct plan *p)
{
	unsigned line;

	for (unsigned i = 0; i < p->conf_n; i++)
		lint_ways(l, p, &p->conf[i]);
	for (unsigned i = 0; i < p->expect_n; i++) {
		if (p->expect[i].kind == PLAN_DETECT)
			lint_lazy_detect(l, p, &p->expect[i]);
		if (p->expect[i].kind == PLAN_LOST)
			lint_lazy_lost(l, p, &p->expect[i]);
	}
	if (plan_confuses_checks(p, &line))
		lint_add(l, true, NULL, line, "%s TCP, where health checks "
		         "go too, and the judge can't tell the one from the other: expected "
		         "servers without checkTCP%s", line > 0 ? "truncate sends clients to" :
		         "tcpOnly sends queries over", line > 0 ? "" : " and tcpOnly, or "
		         "healthCheckMode=\"up\"");
}
