/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How soon lazy checks notice a death: as soon as enough clients' queries have gone to the server
 * and timed out, a look has counted them, and probes have failed. The first of these depends on the
 * load, so there is only a bound where the load is plain enough to tell how much of it each
 * server of each balancer gets for sure.
 */
#include "bounds.h"
#include "samples.h"
#include "schema.h"

static const double MS = 1e6;

/* The one load whose queries all come to the balancers by chance or in turns, or NULL. */
static const struct plan_load *plain_load(const struct plan *p, const struct plan_conf *c)
{
	bool shares = c->policy == BAL_WRANDOM || c->policy == BAL_ROUNDROBIN;
	const struct plan_load *l = &p->load[0];

	if (!shares || p->load_n != 1 || c->cache_entries > 0 || l->replay_n > 0)
		return NULL;
	return l->choose == PLAN_PER_QUERY ? l : NULL;
}

static unsigned balancers(const struct plan *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->node_n; i++)
		n += p->node[i].role == PLAN_BALANCER;
	return n;
}

/* Queries a second that a balancer sends to that server of its own, in the mean. */
static double rate_to(const struct plan *p, const struct plan_conf *c, unsigned server)
{
	const struct plan_load *l = plain_load(p, c);
	int64_t all = 0;

	if (l == NULL)
		return 0;
	for (unsigned i = 0; i < c->server_n; i++)
		all += c->policy == BAL_WRANDOM ? c->server[i].weight : 1;
	double own = c->policy == BAL_WRANDOM ? (double)c->server[server].weight : 1;
	return (double)l->rate_mqps / 1000 / balancers(p) * own / (double)all;
}

int64_t plan_lazy_detect_ns(const struct plan *p, const struct plan_conf *c, unsigned server)
{
	const struct bal_check *k = &c->server[server].check;
	double rate = rate_to(p, c, server);
	struct bal_check probed = *k;
	uint64_t need = ((uint64_t)k->lazy.threshold * k->lazy.samples + 99) / 100;

	need = need > k->lazy.min_samples ? need : k->lazy.min_samples;
	probed.lazy.on = false;
	int64_t probes = bound_detect_ns(p->balancer.checks, &probed);
	if (p->balancer.checks != PLAN_CHECKS_EXACT || rate <= 0 || probes == INT64_MAX)
		return INT64_MAX;
	double wait = plan_mean_for(need, false, PLAN_FLAKE) / rate * 1000;
	if (wait * MS > (double)PLAN_TIME_MAX_NS)
		return INT64_MAX;
	/* the first probe leaves at the look, and needs no interval before it */
	probes += BAL_LAZY_LOOK_NS - k->interval_ns;
	return ((int64_t)wait + 1) * (int64_t)MS + c->udp_timeout_ns + probes;
}
