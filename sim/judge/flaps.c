/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flaps: a server that a balancer's health checks took out, or in again, though nothing in the
 * timeline explains it. Counted from the probes through the state machine: a change is sure when
 * every reading of the probes has it; where only some have it, it may be one.
 */
#include <stdlib.h>

#include "gone.h"
#include "sim/plan/bounds.h"

/* Of one server, by one balancer's checks. */
struct flap {
	enum server_state sure;   /* the latest state that was certain */
	bool open;                /* it is uncertain again since then, and nothing explains that */
	bool explained;           /* the latest way down was the timeline's */
	uint64_t changes, sure_n, maybe_n;
	uint64_t first_frame;
	int64_t first_ns;         /* of the first sure one; NEVER */
};

struct flap *flaps_new(const struct balancer *b)
{
	struct flap *f = zeroed(b->conf->server_n, sizeof(*f));

	for (unsigned i = 0; i < b->conf->server_n; i++)
		f[i] = (struct flap){ .sure = SERVER_UNKNOWN, .first_ns = NEVER };
	return f;
}

/* A fault that makes every check fail for as long as it lasts. */
static bool fails_checks(const struct plan_fault *f, int64_t timeout_ns)
{
	if (f->spares_checks)
		return false;
	switch (f->kind) {
	case PLAN_SERVFAIL: case PLAN_REFUSE: case PLAN_DROP: case PLAN_LOSS: case PLAN_WRONG:
		return f->value_ppm == 1000000;
	case PLAN_SLOW:
		return f->value_ppm == 1000000 && f->value_ns >= timeout_ns;
	case PLAN_DELAY:
		return 2 * f->value_ns >= timeout_ns;
	default:
		return false;
	}
}

/* A fault of that node's was on at t_ns that makes checks fail, and surely so. */
static bool impaired(const struct judge *j, int node, int64_t t_ns, int64_t timeout_ns)
{
	const struct plan *p = j->plan;
	bool on = false;

	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *f = &p->fault[i];
		if (f->node != node || fault_strikes(j, i) > t_ns || plan_fault_silences(f->kind))
			continue;
		on = fails_checks(f, timeout_ns) || (on && f->kind != PLAN_HEAL &&
		     f->value_ppm != 0);
	}
	return on;
}

/* The probe that made the change was sent while the server, or the balancer, was away. */
static bool explained(const struct judge *j, const struct balancer *b, const struct outcome *o)
{
	int node = b->conf->server_node[o->server];
	int64_t timeout = b->conf->server[o->server].check.timeout_ns;
	int64_t slack = judge_slack_ns(j);
	const struct gone *g;

	for (size_t i = 0; (g = gone_of_node(j, node, i)) != NULL; i++)
		if (o->sent_ns + timeout + slack >= g->from_ns &&
		    (g->back_to_ns == INT64_MAX || o->sent_ns <= g->back_to_ns + slack))
			return true;
	return balancer_away(j, b, o->sent_ns - slack, o->hi_ns + slack) ||
	       impaired(j, node, o->sent_ns + timeout, timeout) ||
	       impaired(j, node, o->sent_ns, timeout);
}

static void changes(const struct judge *j, struct balancer *b, struct flap *f,
                    const struct outcome *o, enum server_state now)
{
	bool first = f->sure == SERVER_UNKNOWN, down = now == SERVER_DOWN;

	f->open = false;
	f->sure = now;
	f->changes += !first;
	if (down)
		f->explained = explained(j, b, o);
	if (first || f->explained)
		return;
	if (f->sure_n++ > 0)
		return;
	f->first_ns = o->lo_ns;
	f->first_frame = o->frame;
}

void flaps_change(struct judge *j, struct balancer *b, const struct outcome *o,
                  enum server_state now)
{
	struct flap *f = &b->flap[o->server];

	if (o->lo_ns >= j->plan->end_ns)
		return; /* the engine stops everything then */
	if (o->restart) {
		f->sure = SERVER_UNKNOWN;
		f->open = false;
		f->explained = true;
	} else if (now == SERVER_UNKNOWN) {
		f->open = f->sure != SERVER_UNKNOWN && !explained(j, b, o);
	} else if (now == f->sure) {
		f->maybe_n += 2 * f->open; /* there and back */
		f->open = false;
	} else {
		changes(j, b, f, o, now);
	}
}

struct flapped {
	uint64_t changes, sure, maybe;
	const struct flap *first;
	const struct balancer *by;
	unsigned server;
};

static void add_server(struct flapped *all, const struct balancer *b, unsigned server)
{
	const struct flap *f = &b->flap[server];

	all->changes += f->changes;
	all->sure += f->sure_n;
	all->maybe += f->maybe_n + 2 * f->open;
	if (f->sure_n == 0 || (all->first != NULL && all->first->first_ns <= f->first_ns))
		return;
	all->first = f;
	all->by = b;
	all->server = server;
}

static bool named(const struct plan_expect *e, int node)
{
	unsigned i = 0;

	while (i < e->node_n && e->node[i] != node)
		i++;
	return i < e->node_n;
}

/* Every balancer by itself, and all together. Returns whether each has a checked server. */
static bool count_flaps(const struct judge *j, const struct plan_expect *e, struct flapped *all,
                        json_t *list)
{
	bool each = j->balancer_n > 0;

	for (unsigned i = 0; i < j->balancer_n; i++) {
		const struct balancer *b = &j->balancer[i];
		struct flapped own = { 0 };
		bool known = false;
		for (unsigned k = 0; k < b->conf->server_n; k++) {
			if (!named(e, b->conf->server_node[k]))
				continue;
			known = known || b->flap[k].sure != SERVER_UNKNOWN ||
				b->flap[k].changes > 0;
			add_server(&own, b, k);
			add_server(all, b, k);
		}
		each = each && known;
		json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I}",
			"name", node_name(j, (int)b->node), "flaps", (json_int_t)own.sure,
			"uncertain", (json_int_t)own.maybe, "changes", (json_int_t)own.changes));
	}
	return each;
}

void expect_flaps(struct judge *j, const struct plan_expect *e, struct finding *f)
{
	uint64_t most = (uint64_t)e->at_most;
	struct flapped all = { 0 };
	json_t *list = json_array();
	bool seen = count_flaps(j, e, &all, list);

	text_add(&f->title, "health checks don't flap");
	text_add(&f->claim, "at most ");
	text_count(&f->claim, most);
	text_add(&f->claim, " changes of state that the timeline doesn't explain");
	text_count(&f->why, all.changes);
	text_add(&f->why, " changes of state, ");
	text_count(&f->why, all.sure);
	text_add(&f->why, " of them beyond what the timeline explains, at most ");
	text_count(&f->why, most);
	if (all.maybe > 0) {
		text_add(&f->why, "; ");
		text_count(&f->why, all.maybe);
		text_add(&f->why, " more can't be told: answers came about when their time was up");
	}
	if (all.first != NULL) {
		text_add(&f->why, "; the first: %s by %s at ",
		         all.by->conf->server[all.server].name, node_name(j, (int)all.by->node));
		text_time(&f->why, all.first->first_ns);
		finding_frame(f, j, all.by->node, all.first->first_frame, all.first->first_ns,
		              "health check that took it out, or in");
	}
	json_object_set_new(f->measured, "changes", json_integer((json_int_t)all.changes));
	json_object_set_new(f->measured, "flaps", json_integer((json_int_t)all.sure));
	json_object_set_new(f->measured, "uncertain", json_integer((json_int_t)all.maybe));
	json_object_set_new(f->measured, "balancers", list);
	json_object_set_new(f->bound, "at_most", json_integer((json_int_t)most));
	f->verdict = all.sure > most ? VERDICT_FAIL :
	             !seen || all.sure + all.maybe > most ? VERDICT_INCONCLUSIVE : VERDICT_PASS;
	if (!seen && all.sure <= most)
		text_add(&f->why, ": some balancer's health checks were never seen");
}
