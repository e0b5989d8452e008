/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's loop: takes the first event and lets it happen, until the plan is over. Before t = 0
 * programs start, recursors first, and every server that is checked has answered its balancers; the
 * same barrier as in namespaces.
 */
#include "invariant.h"

enum { KIND_SHIFT = 56, PROGRESS_EVENTS = 1 << 17 };
static const uint64_t WHAT = ((uint64_t)1 << KIND_SHIFT) - 1;

static void progress(struct world *w)
{
	const struct virtual_options *o = w->o;
	struct virtual_progress p = { .end_ns = w->plan->end_ns };
	struct load_counts c;

	if (o->stop != NULL && *o->stop != 0)
		world_trouble(w, "ended early, as evenkeel was asked to");
	if (o->progress == NULL)
		return;
	p.t_ns = w->t0_ns != 0 ? w->now_ns - w->t0_ns : 0;
	for (unsigned i = 0; w->t0_ns != 0 && i < w->plan->load_n; i++) {
		load_counts(w->load[i].load, &c);
		p.sent += c.sent;
		p.answered += c.answered;
	}
	o->progress(o->progress_arg, &p);
}

static void started(struct world *w, uint64_t what)
{
	struct host *h = &w->host[what & UINT16_MAX];

	if (h->state == HOST_STARTS && h->generation == what >> 16)
		program_started(w, h);
}

/* Lets an event happen. Returns the host whose cores it touched, NULL: none. */
static struct host *happen(struct world *w, const struct heap_item *e)
{
	uint64_t what = e->what & WHAT;
	struct host *h = NULL;

	switch ((enum event_kind)(e->what >> KIND_SHIFT)) {
	case EVENT_ARRIVE:
		h = &w->host[w->slot[what].to];
		host_arrive(w, (uint32_t)what);
		return h;
	case EVENT_LEFT: host_flush(w, &w->host[what], w->now_ns); return NULL;
	case EVENT_SERVE: host_serve(w, &w->host[what]); return &w->host[what];
	case EVENT_WAKE:
		if (w->host[what].armed_ns == e->t_ns)
			host_wake(w, &w->host[what]);
		return &w->host[what];
	case EVENT_HEALTH: lb_health(w, &w->host[what]); return &w->host[what];
	case EVENT_LOAD:
		if (w->load[what].armed_ns == e->t_ns)
			clients_wake(w, (unsigned)what);
		return &w->host[w->load[what].host];
	case EVENT_STARTED: started(w, what); return &w->host[what & UINT16_MAX];
	case EVENT_FAULT: fault_strike(w, (unsigned)what); return NULL;
	case EVENT_REFUSE: host_refuse(w, (uint32_t)what); return NULL;
	case EVENT_TCP: tcp_event(w, what); return NULL;
	case EVENT_LATE: lb_send_late(w, (uint32_t)what); return NULL;
	}
	return NULL;
}

/* One event. False when there is none by until_ns; then that is the time. */
static bool step(struct world *w, int64_t until_ns)
{
	if (heap_first(&w->queue) > until_ns) {
		w->now_ns = until_ns;
		return false;
	}
	struct heap_item e = w->queue.item[0];
	w->now_ns = e.t_ns;
	w->top_taken = true; /* what happens mostly puts one event in its place */
	struct host *h = happen(w, &e);
	if (w->top_taken)
		heap_pop(&w->queue);
	w->top_taken = false;
	if (w->watcher != NULL)
		invariant_event(w, h);
	if (++w->events_n % PROGRESS_EVENTS == 0)
		progress(w);
	return w->trouble[0] == '\0';
}

static void start_role(struct world *w, enum plan_role role)
{
	for (unsigned i = 0; i < w->plan->node_n; i++)
		if (w->host[i].role == role)
			program_start(w, &w->host[i]);
}

static bool all_ready(const struct world *w, enum plan_role role)
{
	for (unsigned i = 0; i < w->plan->node_n; i++)
		if (w->host[i].role == role && !program_is_ready(&w->host[i]))
			return false;
	return true;
}

static bool all_answered(const struct world *w)
{
	for (unsigned i = 0; i < w->plan->node_n; i++)
		if (w->host[i].role == PLAN_BALANCER && w->host[i].lb->unanswered_n > 0)
			return false;
	return true;
}

/* Up to t = 0. False, with the trouble told, when somebody doesn't become ready. */
static bool barrier(struct world *w)
{
	int64_t end_ns = w->now_ns + MODEL_BARRIER;

	start_role(w, PLAN_RECURSOR);
	while (!all_ready(w, PLAN_RECURSOR) && step(w, end_ns))
		;
	start_role(w, PLAN_BALANCER);
	while (!(all_ready(w, PLAN_BALANCER) && all_answered(w)) && step(w, end_ns))
		;
	if (!all_ready(w, PLAN_BALANCER) || !all_answered(w))
		world_trouble(w, "a health check of a balancer wasn't answered within 10 s");
	return w->trouble[0] == '\0';
}

/* Nobody does anything any more; what is under way arrives, and is shown. */
static void drain(struct world *w)
{
	for (unsigned i = 0; i < w->plan->node_n; i++) {
		struct host *h = &w->host[i];
		h->state = HOST_ENDED;
		while (h->sockets.n > 0)
			slot_give(w, fifo_get(w, &h->sockets));
	}
	while (w->queue.n > 0) {
		struct heap_item e = heap_pop(&w->queue);
		w->now_ns = e.t_ns > w->now_ns ? e.t_ns : w->now_ns;
		if (e.what >> KIND_SHIFT == EVENT_ARRIVE)
			host_arrive(w, (uint32_t)(e.what & WHAT));
		if (e.what >> KIND_SHIFT == EVENT_REFUSE || e.what >> KIND_SHIFT == EVENT_LATE)
			slot_give(w, (uint32_t)(e.what & WHAT));
	}
	for (unsigned i = 0; i < w->plan->node_n; i++)
		host_flush(w, &w->host[i], INT64_MAX);
}

void loop_run(struct world *w)
{
	bool ready = barrier(w);

	w->t0_ns = w->now_ns + MODEL_LEAD;
	tap_zero(w);
	if (ready && clients_start(w) < 0)
		world_trouble(w, "no memory for the clients");
	if (w->trouble[0] == '\0') {
		faults_schedule(w);
		while (step(w, w->t0_ns + w->plan->end_ns))
			;
		if (w->trouble[0] == '\0' && !clients_done(w))
			world_trouble(w, "the clients weren't done at the plan's end");
	}
	invariant_pending(w);
	faults_prove_stubs(w);
	drain(w);
	invariant_end(w);
	faults_end(w);
}
