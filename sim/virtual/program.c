/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs as processes: they take time to start, begin with cold caches and a seed of their own
 * each time, vanish with all that their sockets hold when they are killed, and when they are
 * stopped and go on they find what their sockets could take.
 */
#include "world.h"

static void tell(struct world *w, const struct host *h, const char *what, const char *status)
{
	json_t *o = json_pack("{s:s, s:s}", "node", w->plan->node[h->node].name, "what", what);

	if (status != NULL)
		json_object_set_new(o, "status", json_string(status));
	events_add(&w->events, "process", w->now_ns, o);
}

static int64_t start_ns(const struct plan *p, enum plan_role role)
{
	if (role == PLAN_BALANCER)
		return p->balancer_start_ns > 0 ? p->balancer_start_ns : MODEL_BALANCER_START;
	return p->recursor_start_ns > 0 ? p->recursor_start_ns : MODEL_RECURSOR_START;
}

void program_start(struct world *w, struct host *h)
{
	int64_t takes = start_ns(w->plan, h->role);

	h->state = HOST_STARTS;
	h->ready_told = false;
	tell(w, h, "started", NULL);
	world_push(w, w->now_ns + takes, EVENT_STARTED, (uint64_t)h->generation << 16 | h->node);
}

void program_started(struct world *w, struct host *h)
{
	h->state = HOST_RUNS;
	h->busy_ns = w->now_ns;
	h->cold = h->role == PLAN_BALANCER;
	int err = h->role == PLAN_BALANCER ? lb_start(w, h) : stub_start(w, h);

	if (err < 0)
		world_trouble(w, "no memory for %s", w->plan->node[h->node].name);
	else
		program_ready(w, h);
}

bool program_is_ready(const struct host *h)
{
	if (h->state != HOST_RUNS)
		return false;
	return h->role == PLAN_RECURSOR || health_ready(h->lb->health);
}

void program_ready(struct world *w, struct host *h)
{
	if (h->ready_told || !program_is_ready(h))
		return;
	h->ready_told = true;
	tell(w, h, "ready", NULL);
	fault_ready(w, h->node);
}

void program_kill(struct world *w, struct host *h)
{
	while (h->sockets.n > 0)
		slot_give(w, fifo_get(w, &h->sockets));
	tcp_program_killed(w, h);
	h->state = HOST_DEAD;
	h->generation++;
	h->armed_ns = INT64_MAX;
	if (h->lb != NULL)
		h->lb->health_armed_ns = INT64_MAX;
	host_arena_free(&h->arena);
	tell(w, h, "exited", "signal 9");
}

/* Until it is through with a part of what waits in its sockets, which chance draws. */
static int64_t draw_resume_ns(struct host *h)
{
	const int64_t most_ns = MODEL_RESUME * h->sockets.n * h->day / 1000;

	return (most_ns * drbg_u16(&h->wakes)) >> 16;
}

void program_resume(struct world *w, struct host *h)
{
	h->state = HOST_RUNS;
	h->busy_ns = w->now_ns + draw_resume_ns(h);
	h->armed_ns = INT64_MAX; /* what was due while it hung has been passed over */
	host_serve_soon(w, h);
	host_arm(w, h);
	if (h->lb != NULL) {
		h->lb->health_armed_ns = INT64_MAX;
		lb_health_arm(w, h);
	}
}
