/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What our balancer does beyond dnsdist (SERVFAIL on time-out, second tries), where a plan's
 * clients can't see it, or a claim beside it can't be judged; and what a real recursor does beyond
 * our stub.
 */
#include "bounds.h"
#include "downs.h"
#include "lint.h"
#include "schema.h"
#include "sim/trace/core/trace.h"

static void lint_told(struct lint *l, const struct plan *p, const struct plan_conf *c)
{
	if (c->servfail_on_timeout && !plan_tells_timeouts(p, c))
		lint_add(l, false, c->path, 0, "setServFailOnTimeout: a time-out is told %.9gs "
		         "after the query, and clients may have given up by then: expected a "
		         "longer timeout in load, or a shorter setUDPTimeout",
		         (double)c->udp_timeout_ns / 1e9);
}

/* No two queries that are out at one time have the same question. */
static bool questions_differ(const struct plan *p)
{
	for (unsigned i = 0; i < p->load_n; i++)
		if (p->load[i].names != PLAN_UNIQUE || p->load[i].tries > 1)
			return false;
	return true;
}

/*
 * Single choices: which forward is a second try shows by its question alone; and what a second try
 * adds to a server's outstanding queries isn't rebuilt.
 */
static void lint_choices(struct lint *l, const struct plan *p, const struct plan_conf *c,
                         const struct plan_expect *e)
{
	bool by_load = c->policy == BAL_LEAST_OUTSTANDING || c->policy == BAL_FIRST_AVAILABLE;
	bool exact = e->kind == PLAN_POLICY ||
	             (e->kind == PLAN_EVEN && c->policy == BAL_ROUNDROBIN);

	if (exact && by_load)
		lint_add(l, true, NULL, e->line, "expect.%s: %s with setUDPRetry in %s can't be "
		         "judged choice by choice: expected none of the two",
		         plan_expect_name(e->kind), plan_policy_names[c->policy], c->path);
	else if (exact && c->policy != BAL_WRANDOM && c->policy != BAL_ORDERED_WRANDOM &&
	         !questions_differ(p))
		lint_add(l, true, NULL, e->line, "expect.%s: with setUDPRetry in %s a second try "
		         "can't be told from another query for its name: expected names = "
		         "\"unique\" and tries = 1, or no setUDPRetry", plan_expect_name(e->kind),
		         c->path);
}

static void lint_retry(struct lint *l, const struct plan *p, const struct plan_conf *c)
{
	if (c->udp_retry_ns == 0)
		return;
	if (plan_retries_ns(p, c, plan_answer_ns(p)) == 0)
		lint_add(l, false, c->path, 0, "setUDPRetry: what is tried again after %.9gs may "
		         "be answered when clients or the balancer have given up: \"model\" counts "
		         "it as lost", (double)c->udp_retry_ns / 1e9);
	if (c->server_n < 2)
		lint_add(l, false, c->path, 0, "setUDPRetry: one server: there is no other to ask");
	for (unsigned i = 0; i < p->expect_n; i++)
		lint_choices(l, p, c, &p->expect[i]);
}

static bool is_special(uint16_t type)
{
	return type == DNS_CNAME || type == DNS_ANY;
}

/* How many of a load's queries, or of its types, are for an alias or for anything; of how many. */
static uint64_t special_of(const struct plan_load *l, uint64_t *of)
{
	const struct trace *t = l->replay_n > 0 ? l->replay->trace : NULL;
	uint64_t n = 0;

	*of = t != NULL ? t->query_n : l->type_n;
	for (uint32_t i = 0; t != NULL && i < t->query_n; i++)
		n += is_special(dns_get16(t->bytes + t->query[i].at + DNS_HEADER +
		                          t->query[i].name_len));
	for (unsigned i = 0; t == NULL && i < l->type_n; i++)
		n += is_special(l->type[i].type);
	return n;
}

/*
 * A recursor that has learnt an alias follows it for every type, and answers ANY with what it
 * remembers; only the stub's names have both an alias and other data. What was captured can't be
 * helped, so it is told only.
 */
static void lint_aliases(struct lint *l, const struct plan *p)
{
	uint64_t all = 0, special = 0, of;
	bool captured = false;

	for (unsigned i = 0; i < p->load_n; i++) {
		uint64_t n = special_of(&p->load[i], &of);
		captured = captured || (n > 0 && p->load[i].replay_n > 0);
		special += n;
		all += of;
	}
	if (special > 0 && special < all)
		lint_add(l, !captured, NULL, 0, "load%s: CNAME or ANY beside another type can't be "
		         "judged with %s, which answers other types by an alias, and ANY by what "
		         "it remembers: expected %s without them", captured ? "" : ".types",
		         p->recursor.path, captured ? "a capture, or a filter," : "types");
}

static void lint_foreign(struct lint *l, const struct plan *p)
{
	static const int64_t patience_ns = 1500000000; /* network-timeout */

	if (p->recursor.path == NULL)
		return;
	lint_aliases(l, p);
	if (p->answers_n > 0)
		lint_add(l, true, NULL, 0, "recursors.answers: %s finds its answers itself: "
		         "expected our recursor-stub", p->recursor.path);
	for (unsigned i = 0; i < p->node_n; i++) {
		const struct plan_node *n = &p->node[i];
		if (n->role == PLAN_RECURSOR && plan_recursor_miss_ns(p, (int)i) >= patience_ns)
			lint_add(l, false, NULL, n->line, "a miss of %s may take longer than "
			         "PowerDNS Recursor waits for an answer, 1.5 s unless its "
			         "network-timeout says else: it is SERVFAIL then", n->name);
	}
}

void lint_more(struct lint *l, const struct plan *p)
{
	lint_foreign(l, p);
	for (unsigned i = 0; i < p->conf_n; i++) {
		lint_told(l, p, &p->conf[i]);
		lint_retry(l, p, &p->conf[i]);
	}
}
