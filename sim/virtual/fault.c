/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The timeline. Faults strike at their very instant; each is told with what shows that it took
 * effect, as in namespaces: a link's by the frames that it befell, a stub's by its own counters.
 */
#include "world.h"

#include <stdio.h>

#include "sim/net/fault.h"
#include "sim/plan/bounds.h"

enum { EVIDENCE = 256 };

/* Without a hit among so many expected ones (20) a stub's fault isn't there. */
static const uint64_t HITS_EXPECTED_PPM = 20000000;

static struct host *host_of(struct world *w, const struct plan_fault *f)
{
	return &w->host[f->node];
}

static const char *name_of(const struct world *w, const struct plan_fault *f)
{
	return w->plan->node[f->node].name;
}

void faults_schedule(struct world *w)
{
	for (unsigned i = 0; i < w->plan->fault_n; i++)
		world_push(w, w->t0_ns + w->plan->fault[i].at_ns, EVENT_FAULT, i);
}

/* The event of a fault, but for what it is called. */
static json_t *event_of(const struct world *w, unsigned i, int64_t to_ns, bool verified,
                        const char *evidence)
{
	const struct plan_fault *f = &w->plan->fault[i];

	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:b, s:s}", "kind", plan_fault_name(f->kind),
	                 "node", name_of(w, f), "at_ns", (json_int_t)f->at_ns, "from_ns",
	                 (json_int_t)(w->fault[i].from_ns - w->t0_ns), "to_ns",
	                 (json_int_t)(to_ns - w->t0_ns), "verified", verified, "evidence",
	                 evidence);
}

/* Its trigger hasn't come, or what it follows didn't happen for that reason: the plan goes on. */
static void skip(struct world *w, unsigned i, const char *why)
{
	json_t *e = event_of(w, i, w->now_ns, false, why);

	json_object_set_new(e, "triggered", json_false());
	w->fault[i].state = FAULT_TOLD;
	w->fault[i].skipped = true;
	events_add(&w->events, "fault", w->now_ns, e);
}

bool faults_skipped(const struct world *w)
{
	for (unsigned i = 0; i < w->plan->fault_n; i++)
		if (w->fault[i].skipped)
			return true;
	return false;
}

/* An earlier one of its node was skipped: it may find the node in another state than planned. */
static bool astray(const struct world *w, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (w->fault[k].skipped && w->plan->fault[k].node == w->plan->fault[i].node)
			return true;
	return false;
}

/* It has struck at its instant and will be proven when it ends; the judge can't wait for that. */
static void strike_pending(struct world *w, unsigned i)
{
	json_t *e = event_of(w, i, w->now_ns, false, "it hasn't ended yet");

	w->fault[i].state = FAULT_PENDING;
	json_object_set_new(e, "event", json_string("fault"));
	json_object_set_new(e, "pending", json_true());
	judge_event(w->judge, e);
	json_decref(e);
}

/* The judge can't wait until the program is ready to know when it was started. */
static void strike_begun(struct world *w, unsigned i)
{
	json_t *e = event_of(w, i, w->now_ns, false, "");

	json_object_set_new(e, "event", json_string("fault"));
	json_object_set_new(e, "begun", json_true());
	judge_event(w->judge, e);
	json_decref(e);
}

static void tell(struct world *w, unsigned i, int64_t to_ns, bool verified, const char *evidence)
{
	if (!verified && astray(w, i)) {
		skip(w, i, "not carried out: what comes before it wasn't triggered");
		return;
	}
	w->fault[i].state = FAULT_TOLD;
	w->fault[i].to_ns = w->now_ns;
	events_add(&w->events, "fault", w->fault[i].from_ns,
	           event_of(w, i, to_ns, verified, evidence));
}

/* ---- processes ---- */

static void end_stub_faults(struct world *w, int node);

/* What a stub was told dies with it. */
static void fault_kill(struct world *w, unsigned i)
{
	struct host *h = host_of(w, &w->plan->fault[i]);
	bool lives = h->state != HOST_DEAD;

	end_stub_faults(w, w->plan->fault[i].node);
	if (lives)
		program_kill(w, h);
	tell(w, i, w->now_ns, lives, lives ? "the program ended, its sockets closed"
	                                   : "there was no running program to kill");
}

static void fault_start(struct world *w, unsigned i)
{
	struct host *h = host_of(w, &w->plan->fault[i]);

	if (h->state != HOST_DEAD) {
		tell(w, i, w->now_ns, false, "it was running already");
		return;
	}
	w->fault[i].state = FAULT_PENDING;
	strike_begun(w, i);
	program_start(w, h);
}

void fault_ready(struct world *w, unsigned node)
{
	char evidence[EVIDENCE];

	for (unsigned i = 0; i < w->plan->fault_n; i++) {
		const struct plan_fault *f = &w->plan->fault[i];
		if (w->fault[i].state != FAULT_PENDING || f->kind != PLAN_START ||
		    f->node != (int)node)
			continue;
		snprintf(evidence, sizeof(evidence), "the program said READY=1 after %lld us",
		         (long long)((w->now_ns - w->fault[i].from_ns) / 1000));
		tell(w, i, w->now_ns, true, evidence);
	}
}

static void fault_hang(struct world *w, unsigned i)
{
	struct host *h = host_of(w, &w->plan->fault[i]);
	bool runs = h->state == HOST_RUNS;

	if (runs)
		h->state = HOST_HANGS;
	tell(w, i, w->now_ns, runs, runs ? "the program stopped" : "there was no running program");
}

static void fault_resume(struct world *w, unsigned i)
{
	struct host *h = host_of(w, &w->plan->fault[i]);
	bool hangs = h->state == HOST_HANGS;

	tell(w, i, w->now_ns, hangs, hangs ? "the program goes on"
	                                   : "there was no stopped program");
	if (hangs)
		program_resume(w, h);
}

/* ---- links ---- */

static void counts_of(const struct world *w, int node, struct link_counts now[2])
{
	for (unsigned way = 0; way < 2; way++)
		now[way] = links_counts(w->links, (unsigned)node, (enum link_way)way);
}

/*
 * Whether no frame got through while f ruled the link: then none can speak against it, and here the
 * link is as it was set. A link that was healed and still cuts would speak.
 */
static bool nothing_passed(const struct plan_fault *f, const struct link_counts was[2],
                           const struct link_counts now[2])
{
	uint64_t passed = 0, cut = 0;

	for (unsigned way = 0; way < 2; way++) {
		if (!fault_acts(f, (enum link_way)way))
			continue;
		passed += now[way].passed - was[way].passed;
		cut += now[way].cut - was[way].cut;
	}
	return passed == 0 && (f->kind != PLAN_HEAL || cut == 0);
}

/* The fault that rules node's link so far ends here. */
static void end_link_fault(struct world *w, int node)
{
	struct link_counts now[2];
	char evidence[EVIDENCE];

	counts_of(w, node, now);
	for (unsigned i = 0; i < w->plan->fault_n; i++) {
		const struct plan_fault *f = &w->plan->fault[i];
		struct fault_run *r = &w->fault[i];
		if (r->state != FAULT_PENDING || f->node != node || !fault_is_wire(f->kind))
			continue;
		bool proven = fault_proven(f, r->was, now, name_of(w, f), evidence,
		                           sizeof(evidence));
		tell(w, i, r->from_ns, proven || nothing_passed(f, r->was, now), evidence);
	}
}

static void fault_link_set(struct world *w, unsigned i)
{
	const struct plan_fault *f = &w->plan->fault[i];

	end_link_fault(w, f->node);
	counts_of(w, f->node, w->fault[i].was);
	for (unsigned way = 0; way < 2; way++) {
		struct link_set set = fault_link(w->plan, i, (enum link_way)way);
		links_set(w->links, (unsigned)f->node, (enum link_way)way, &set);
	}
	strike_pending(w, i);
}

/* ---- stubs ---- */

static enum rec_fault stub_kind(enum plan_fault_kind k)
{
	switch (k) {
	case PLAN_SERVFAIL: return REC_F_SERVFAIL;
	case PLAN_SLOW: return REC_F_SLOW;
	case PLAN_WRONG: return REC_F_WRONG;
	case PLAN_TRUNCATE: return REC_F_TRUNCATE;
	case PLAN_REFUSE: return REC_F_REFUSE;
	default: return REC_F_DROP;
	}
}

static int64_t stub_count(struct world *w, const struct plan_fault *f)
{
	struct host *h = host_of(w, f);

	if (h->state != HOST_RUNS && h->state != HOST_HANGS)
		return 0;
	return (int64_t)rec_count(h->rec->rec, REC_C_FAULT + (enum rec_counter)stub_kind(f->kind));
}

static bool pending_stub(const struct world *w, unsigned i, int node)
{
	return w->fault[i].state == FAULT_PENDING && w->plan->fault[i].node == node &&
	       fault_is_stub(w->plan->fault[i].kind);
}

/*
 * Whether the stub was asked too little to show fault i, or has another fault besides, which may
 * have been first each time: then that it did it to no answer says nothing.
 */
static bool little_to_do(struct world *w, unsigned i)
{
	const struct plan_fault *f = &w->plan->fault[i];
	const struct host *h = host_of(w, f);
	uint64_t asked = h->state == HOST_DEAD ? 0 : rec_count(h->rec->rec, REC_C_QUESTIONS);

	for (unsigned k = 0; k < w->plan->fault_n; k++) {
		const struct plan_fault *o = &w->plan->fault[k];
		const struct fault_run *r = &w->fault[k];
		if (k == i || o->node != f->node || !fault_is_stub(o->kind) || o->value_ppm == 0)
			continue;
		if (r->state == FAULT_PENDING ||
		    (r->state == FAULT_TOLD && r->to_ns > w->fault[i].from_ns))
			return true;
	}
	return (asked - w->fault[i].stub_asked) * f->value_ppm < HITS_EXPECTED_PPM;
}

static void end_stub_fault(struct world *w, int node, enum plan_fault_kind kind)
{
	char evidence[EVIDENCE];

	for (unsigned i = 0; i < w->plan->fault_n; i++) {
		const struct plan_fault *f = &w->plan->fault[i];
		struct fault_run *r = &w->fault[i];
		if (r->state != FAULT_PENDING || f->node != node || f->kind != kind)
			continue;
		int64_t n = stub_count(w, f) - r->stub_was;
		snprintf(evidence, sizeof(evidence), "the stub did it to %lld answers",
		         (long long)n);
		tell(w, i, r->from_ns, n > 0 || f->value_ppm == 0 || little_to_do(w, i), evidence);
	}
}

static void end_stub_faults(struct world *w, int node)
{
	for (unsigned i = 0; i < w->plan->fault_n; i++)
		if (pending_stub(w, i, node))
			end_stub_fault(w, node, w->plan->fault[i].kind);
}

static void fault_stub(struct world *w, unsigned i)
{
	const struct plan_fault *f = &w->plan->fault[i];
	struct host *h = host_of(w, f);

	end_stub_fault(w, f->node, f->kind);
	if (h->state != HOST_RUNS && h->state != HOST_HANGS) {
		tell(w, i, w->now_ns, false, "there is no running program");
		return;
	}
	w->fault[i].stub_was = stub_count(w, f);
	w->fault[i].stub_asked = rec_count(h->rec->rec, REC_C_QUESTIONS);
	const struct bal_check *check = f->spares_checks ? plan_check_of(w->plan, f->node) : NULL;
	rec_fault_spares(h->rec->shared, stub_kind(f->kind), check != NULL ? check->name : NULL,
	                 check != NULL ? check->name_len : 0);
	rec_fault(h->rec->shared, stub_kind(f->kind), f->value_ppm, f->value_ns);
	strike_pending(w, i);
}

static void say(struct world *w, struct host *h, unsigned server, enum plan_fault_kind kind)
{
	if (kind == PLAN_DRAIN || kind == PLAN_UNDRAIN) {
		bal_shared_drain(h->lb->shared, server, kind == PLAN_DRAIN, w->now_ns);
		return;
	}
	health_set_mode(h->lb->health, w->now_ns, server,
	                kind == PLAN_SET_DOWN ? BAL_CHECK_DOWN : BAL_CHECK_AUTO);
	lb_health_arm(w, h);
}

/* As a console would tell each balancer that runs; one that starts later knows nothing of it. */
static void fault_say(struct world *w, unsigned i)
{
	const struct plan_fault *f = &w->plan->fault[i];
	char evidence[EVIDENCE];
	unsigned n = 0;

	for (unsigned b = 0; b < w->plan->node_n; b++) {
		struct host *h = &w->host[b];
		if (h->lb == NULL || h->state != HOST_RUNS)
			continue;
		const struct plan_conf *c = &w->plan->conf[w->plan->node[b].conf];
		for (unsigned s = 0; s < c->server_n; s++)
			if (c->server_node[s] == f->node) {
				say(w, h, s, f->kind);
				n++;
			}
	}
	snprintf(evidence, sizeof(evidence), "%u servers of running balancers were told", n);
	tell(w, i, w->now_ns, n > 0, evidence);
}

void faults_prove_stubs(struct world *w)
{
	for (unsigned node = 0; node < w->plan->node_n; node++)
		end_stub_faults(w, (int)node);
}

void fault_marked(struct world *w, const struct host *h, unsigned server, bool up)
{
	const struct plan_conf *c = &w->plan->conf[w->plan->node[h->node].conf];
	int node = c->server_node[server];

	if (w->t0_ns == 0 || !whens_marked(w->whens, h->node, node, up, w->now_ns - w->t0_ns))
		return;
	for (unsigned i = 0; i < w->plan->fault_n; i++) {
		int64_t due = whens_due(w->whens, i);
		if (w->plan->fault[i].when != PLAN_AT && w->fault[i].state == FAULT_TO_COME &&
		    due != INT64_MAX && !w->fault[i].armed) {
			w->fault[i].armed = true;
			world_push(w, w->t0_ns + due, EVENT_FAULT, i);
		}
	}
}

/* A trigger has an event for its latest instant, and one for the instant that the marks make. */
static bool not_now(struct world *w, unsigned i)
{
	char why[EVIDENCE];

	if (w->fault[i].state != FAULT_TO_COME)
		return true;
	if (whens_due(w->whens, i) != INT64_MAX)
		return w->now_ns < w->t0_ns + whens_due(w->whens, i);
	whens_missing(w->whens, i, why, sizeof(why));
	w->fault[i].from_ns = w->now_ns;
	skip(w, i, why);
	return true;
}

void fault_strike(struct world *w, unsigned i)
{
	enum plan_fault_kind kind = w->plan->fault[i].kind;

	if (not_now(w, i))
		return;
	w->fault[i].from_ns = w->now_ns;
	whens_struck(w->whens, i);
	if (kind == PLAN_KILL)
		fault_kill(w, i);
	else if (kind == PLAN_START)
		fault_start(w, i);
	else if (kind == PLAN_HANG)
		fault_hang(w, i);
	else if (kind == PLAN_RESUME)
		fault_resume(w, i);
	else if (fault_is_wire(kind))
		fault_link_set(w, i);
	else if (plan_fault_said(kind))
		fault_say(w, i);
	else
		fault_stub(w, i);
}

void faults_end(struct world *w)
{
	for (unsigned i = 0; i < w->plan->fault_n; i++)
		if (w->fault[i].state == FAULT_PENDING && w->plan->fault[i].kind == PLAN_START)
			tell(w, i, w->now_ns, false, "it hasn't said READY=1 before the end");
	for (unsigned node = 0; node < w->plan->node_n; node++)
		end_link_fault(w, (int)node);
}
