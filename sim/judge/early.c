/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * detect's other side: a balancer that turns away from a dead recursor before its own health checks
 * can tell, with maxCheckFailures in a row. While they surely say up the recursor must get its
 * share, dead or not; so each draw elsewhere is chance, and a long run of them up to the moment at
 * which the checks change their mind isn't. Only policies whose draws have a share are looked at.
 */
#include "early.h"
#include "sim/plan/bounds.h"

/*
 * Draws are by share, whatever else the balancer knows, and all are seen: a choice may hide behind
 * a connection that was refused.
 */
static bool by_share(const struct balancer *b)
{
	enum bal_policy policy = b->conf->policy;

	return b->conf->factor_ppm == 0 && balancer_tcp_unsure(b) == 0 &&
	       (policy == BAL_WRANDOM || policy == BAL_ROUNDROBIN);
}

/* Every server of the node's is surely up from before the draw's query came in until it left. */
static bool surely_up(const struct balancer *b, int node, const struct draw *d)
{
	bool any = false;

	if (d->t_ns >= health_next(b))
		return false;
	for (unsigned i = 0; i < b->conf->server_n; i++) {
		if (b->conf->server_node[i] != node)
			continue;
		any = true;
		if (b->server[i].state != SERVER_UP)
			return false;
	}
	return any;
}

/* At the console, in some time of the run. */
static bool is_taken_out(const struct judge *j, int node)
{
	for (unsigned i = 0; i < j->plan->fault_n; i++)
		if (j->plan->fault[i].node == node &&
		    plan_fault_unsaid(j->plan->fault[i].kind) != 0)
			return true;
	return false;
}

static void early_draw(struct gone *g, const struct balancer *b, const struct draw *d)
{
	bool own = b->conf->server_node[d->server] == g->node;

	for (size_t i = 0; i < g->watch_n; i++) {
		struct stop *o = g->watch[i].stop;
		if (o == NULL)
			continue;
		o[b->index].early = own ? 0 : o[b->index].early + 1;
		if (own || o[b->index].early > 1)
			continue;
		o[b->index].early_frame = d->frame;
		o[b->index].early_ns = d->t_ns;
	}
}

void gones_settled(struct judge *j, struct balancer *b, const struct draw *d)
{
	struct gones *all = j->gones;

	while (b->gone_over < all->n && all->gone[b->gone_over].back_from_ns < d->in_ns)
		b->gone_over++;
	if (b->gone_over == all->n || d->lone || d->shared || d->unsure)
		return;
	for (size_t i = b->gone_over; i < all->n && all->gone[i].from_ns <= d->in_ns; i++) {
		struct gone *g = &all->gone[i];
		if (d->in_ns >= g->to_ns && d->t_ns < g->back_from_ns && d->t_ns < g->over_ns &&
		    g->watch_n > 0 && by_share(b) && surely_up(b, g->node, d))
			early_draw(g, b, d);
	}
}

bool stop_early(const struct judge *j, const struct gone *g, const struct watch *w,
                const struct balancer *b)
{
	unsigned silences = 0;

	while (gone_of_node(j, g->node, silences) != NULL)
		silences++;
	return !is_taken_out(j, g->node) &&
	       !balancer_away(j, b, g->from_ns, g->back_from_ns - 1) &&
	       enough_elsewhere(plan_share(b->conf, g->node), w->stop[b->index].early,
	                        expect_flake(w->e) / j->balancer_n / silences);
}

bool fault_left_early(const struct judge *j, unsigned fault)
{
	int at = j->gones->of_fault[fault];

	if (at < 0)
		return false;
	const struct gone *g = &j->gones->gone[at];
	for (size_t i = 0; i < g->watch_n; i++)
		for (unsigned k = 0; k < j->balancer_n && g->watch[i].stop != NULL; k++)
			if (stop_early(j, g, &g->watch[i], &j->balancer[k]))
				return true;
	return false;
}
