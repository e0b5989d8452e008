/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * overshoot: does a recursor that comes back get all queries at once? Of each balancer the greatest
 * share of it in any HERD_WINDOW draws in a row, from its return until it must be in use again, and
 * HERD_WINDOW draws more. While other recursors are away its share is another: those draws are
 * left out.
 */
#include <stdlib.h>

#include "gone.h"
#include "sim/plan/bounds.h"

void over_init(struct judge *j, struct watch *w)
{
	w->over = zeroed(j->balancer_n, sizeof(*w->over));
}

int64_t over_bound(const struct judge *j, const struct plan_expect *e)
{
	return e->within_ns != PLAN_MODEL ? e->within_ns : plan_back_ns(j->plan, e->node[0]);
}

void over_draw(const struct gone *g, struct over *o, const struct draw *d, bool own,
               int64_t deadline_ns)
{
	int64_t until = g->full_ns > deadline_ns ? g->full_ns : deadline_ns;

	if (d->t_ns < g->back_from_ns || d->t_ns >= g->over_ns || d->t_ns < g->full_ns)
		return;
	o->after += d->t_ns > until;
	if (o->after > HERD_WINDOW)
		return;
	o->window = (o->window << 1 | own) & ((1ull << HERD_WINDOW) - 1);
	o->n++;
	unsigned in_window = (unsigned)__builtin_popcountll(o->window);
	if (in_window <= o->most)
		return;
	o->most = in_window;
	o->frame = d->frame;
	o->t_ns = d->t_ns;
}

struct overs {
	struct over worst;
	const struct balancer *by;
	bool enough;
};

static void overs_add(const struct judge *j, const struct gone *g, const struct watch *w,
                      struct overs *all, json_t *list)
{
	for (unsigned i = 0; i < j->balancer_n; i++) {
		const struct over *o = &w->over[i];
		bool away = balancer_away(j, &j->balancer[i], g->back_from_ns, w->bound_ns);
		all->enough = all->enough && (o->n >= HERD_WINDOW || away);
		if (all->by == NULL || o->most > all->worst.most) {
			all->worst = *o;
			all->by = &j->balancer[i];
		}
		json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I}",
			"name", node_name(j, (int)j->balancer[i].node),
			"at_ns", (json_int_t)g->back_from_ns,
			"draws", (json_int_t)o->n, "most_of_50", (json_int_t)o->most));
	}
}

static void tell_over(const struct judge *j, const struct overs *all, unsigned most,
                      struct finding *f)
{
	text_add(&f->why, "at most %u of %u queries in a row went to it", all->worst.most,
	         HERD_WINDOW);
	if (all->by != NULL && all->worst.most > 0) {
		text_add(&f->why, " (%s, until ", node_name(j, (int)all->by->node));
		text_time(&f->why, all->worst.t_ns);
		text_add(&f->why, ")");
		finding_frame(f, j, all->by->node, all->worst.frame, all->worst.t_ns,
		              "last of the 50 queries with the most to it");
	}
	text_add(&f->why, ", expected at most %u", most);
}

void expect_overshoot(struct judge *j, const struct plan_expect *e, struct finding *f)
{
	unsigned most = (unsigned)((uint64_t)HERD_WINDOW * e->share_ppm / 1000000), n = 0;
	struct overs all = { .enough = j->balancer_n > 0 };
	json_t *list = json_array();
	const struct gone *g;

	for (size_t i = 0; (g = gone_of_node(j, e->node[0], i)) != NULL; i++) {
		if (g->end == PLAN_NONE)
			continue;
		overs_add(j, g, gone_watch(g, e), &all, list);
		n++;
	}
	text_add(&f->title, "%s isn't flooded when it returns", node_name(j, e->node[0]));
	text_add(&f->claim, "at most %u of any %u queries of a balancer", most, HERD_WINDOW);
	tell_over(j, &all, most, f);
	f->verdict = all.worst.most > most ? VERDICT_FAIL :
	             n == 0 || !all.enough ? VERDICT_INCONCLUSIVE : VERDICT_PASS;
	if (f->verdict == VERDICT_INCONCLUSIVE)
		text_add(&f->why, n == 0 ? ": it was never seen to return" :
		         ": too few queries to tell");
	json_object_set_new(f->measured, "most_of_50", json_integer(all.worst.most));
	json_object_set_new(f->measured, "balancers", list);
	json_object_set_new(f->bound, "most_of_50", json_integer(most));
	json_object_set_new(f->bound, "within_ns", json_integer(over_bound(j, e)));
}
