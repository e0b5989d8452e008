/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults, each with the interval in which it took effect and what showed it. A process is killed,
 * stopped or continued when the kernel says so; started when it has said READY=1; the wire's faults
 * are exact, and proven by the frames that they befell.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "lab.h"
#include "lib/host/host.h"
#include "sim/net/fault.h"

static const char *name_of(const struct lab *l, const struct plan_fault *f)
{
	return l->plan->node[f->node].name;
}

/* An earlier one of its node was skipped: it may find the node in another state than planned. */
static bool astray(const struct lab *l, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (l->fault[k].skipped && l->plan->fault[k].node == l->plan->fault[i].node)
			return true;
	return false;
}

/* Writes fault i down; it is over with. */
static void tell(struct lab *l, unsigned i, bool verified, const char *evidence)
{
	const struct plan_fault *f = &l->plan->fault[i];
	struct lab_fault *s = &l->fault[i];
	int64_t from = s->from_ns - l->t0_ns, to = s->to_ns - l->t0_ns;

	s->skipped = s->skipped || (!verified && astray(l, i));
	s->state = LAB_DONE;
	json_t *e = json_pack("{s:s, s:s, s:I, s:I, s:I, s:b, s:s}", "kind",
	                      plan_fault_name(f->kind), "node", name_of(l, f), "at_ns",
	                      (json_int_t)f->at_ns, "from_ns", (json_int_t)from, "to_ns",
	                      (json_int_t)to, "verified", verified, "evidence", evidence);
	if (s->skipped)
		json_object_set_new(e, "triggered", json_false());
	events_add(&l->events, "fault", s->from_ns, e);
}

void lab_fault_skip(struct lab *l, unsigned i)
{
	char why[FAULT_EVIDENCE];

	whens_missing(l->whens, i, why, sizeof(why));
	l->fault[i].from_ns = l->fault[i].to_ns = host_mono_ns();
	l->fault[i].skipped = true;
	tell(l, i, false, why);
}

static void fault_kill(struct lab *l, unsigned i)
{
	struct lab_fault *s = &l->fault[i];
	struct proc *p = &l->proc[l->plan->fault[i].node];
	char evidence[FAULT_EVIDENCE];
	pid_t pid = p->pid;
	int status = 0, err = proc_kill(p, &status);

	s->to_ns = host_mono_ns();
	if (pid != 0 && p->pid == 0)
		lab_process_event(l, p, "exited", pid, &status);
	if (err == 0)
		snprintf(evidence, sizeof(evidence), "process %d ended by signal 9, reaped after "
		         "%lld us", (int)pid, (long long)((s->to_ns - s->from_ns) / 1000));
	else
		snprintf(evidence, sizeof(evidence), "there was no running process to kill");
	tell(l, i, err == 0, evidence);
}

static void fault_start(struct lab *l, unsigned i)
{
	struct proc *p = &l->proc[l->plan->fault[i].node];
	int err = p->pid != 0 ? -EALREADY : proc_start(p, &l->world);

	l->fault[i].to_ns = host_mono_ns();
	if (err == 0) {
		lab_process_event(l, p, "started", p->pid, NULL);
		l->fault[i].state = LAB_PENDING;
	} else {
		tell(l, i, false, err == -EALREADY ? "it was running already" : strerror(-err));
	}
}

void lab_fault_ready(struct lab *l, unsigned node)
{
	char evidence[FAULT_EVIDENCE];

	for (unsigned i = 0; i < l->plan->fault_n; i++) {
		struct lab_fault *s = &l->fault[i];
		if (s->state != LAB_PENDING || l->plan->fault[i].kind != PLAN_START ||
		    l->plan->fault[i].node != (int)node)
			continue;
		s->to_ns = host_mono_ns();
		snprintf(evidence, sizeof(evidence), "process %d said READY=1 after %lld us",
		         (int)l->proc[node].pid, (long long)((s->to_ns - s->from_ns) / 1000));
		tell(l, i, true, evidence);
	}
}

static void fault_stop(struct lab *l, unsigned i, bool hang)
{
	struct proc *p = &l->proc[l->plan->fault[i].node];
	int err = hang ? proc_hang(p) : proc_resume(p);
	char evidence[FAULT_EVIDENCE];

	l->fault[i].to_ns = host_mono_ns();
	if (err == 0)
		snprintf(evidence, sizeof(evidence), "the kernel reports process %d %s",
		         (int)p->pid, hang ? "stopped" : "continued");
	else
		snprintf(evidence, sizeof(evidence), "there was no %s process",
		         hang ? "running" : "stopped");
	tell(l, i, err == 0, evidence);
}

/* Fault i has ruled node's link from its was to now[]. */
static void prove_wire_fault(struct lab *l, unsigned i, const struct link_counts now[2])
{
	const struct plan_fault *f = &l->plan->fault[i];
	char evidence[FAULT_EVIDENCE];
	bool proven = fault_proven(f, l->fault[i].was, now, name_of(l, f), evidence,
	                           sizeof(evidence));

	tell(l, i, proven, evidence);
}

/* The fault that rules node's link so far ends here. */
static void end_wire_fault(struct lab *l, int node, const struct link_counts now[2])
{
	for (unsigned i = 0; i < l->plan->fault_n; i++)
		if (l->fault[i].state == LAB_PENDING && fault_is_wire(l->plan->fault[i].kind) &&
		    l->plan->fault[i].node == node)
			prove_wire_fault(l, i, now);
}

static void fault_wire(struct lab *l, unsigned i)
{
	const struct plan_fault *f = &l->plan->fault[i];
	struct wire_shared *w = l->wire;

	w->command_node = (unsigned)f->node;
	for (unsigned way = 0; way < 2; way++)
		w->command_set[way] = fault_link(l->plan, i, (enum link_way)way);
	atomic_fetch_add(&w->asked, 1);
	if (lab_ring(l) != 0) {
		l->fault[i].to_ns = host_mono_ns();
		tell(l, i, false, "the wire didn't echo within a second");
		return;
	}
	end_wire_fault(l, f->node, w->command_was);
	l->fault[i].state = LAB_PENDING;
	l->fault[i].to_ns = w->command_ns;
	memcpy(l->fault[i].was, w->command_was, sizeof(l->fault[i].was));
}

/*
 * A fault of a stub that still runs ends here: the stub counts the answers that it befell. One that
 * is switched off has no effect to be seen.
 */
static void end_stub_faults(struct lab *l, int node, enum plan_fault_kind kind)
{
	char evidence[FAULT_EVIDENCE];

	for (unsigned i = 0; i < l->plan->fault_n; i++) {
		const struct plan_fault *f = &l->plan->fault[i];
		if (l->fault[i].state != LAB_PENDING || f->node != node || f->kind != kind)
			continue;
		int64_t n = lab_stub_count(l, f) - l->fault[i].stub_was;
		snprintf(evidence, sizeof(evidence), n < 0 ? "the stub doesn't say how often"
		         : "the stub did it to %lld answers", (long long)n);
		tell(l, i, n > 0 || f->value_ppm == 0, evidence);
	}
}

static void fault_stub(struct lab *l, unsigned i)
{
	const struct plan_fault *f = &l->plan->fault[i];
	char evidence[FAULT_EVIDENCE];

	end_stub_faults(l, f->node, f->kind);
	l->fault[i].stub_was = lab_stub_fault(l, f, evidence, sizeof(evidence));
	l->fault[i].to_ns = host_mono_ns();
	if (l->fault[i].stub_was >= 0)
		l->fault[i].state = LAB_PENDING;
	else
		tell(l, i, false, evidence);
}

static void fault_say(struct lab *l, unsigned i)
{
	char evidence[FAULT_EVIDENCE];
	bool said = lab_console(l, &l->plan->fault[i], evidence, sizeof(evidence));

	l->fault[i].to_ns = host_mono_ns();
	tell(l, i, said, evidence);
}

void lab_fault_prove_stubs(struct lab *l)
{
	for (unsigned i = 0; i < l->plan->fault_n; i++)
		if (l->fault[i].state == LAB_PENDING && fault_is_stub(l->plan->fault[i].kind))
			end_stub_faults(l, l->plan->fault[i].node, l->plan->fault[i].kind);
}

void lab_fault(struct lab *l, unsigned i)
{
	const struct plan_fault *f = &l->plan->fault[i];

	lab_phase(l, "%s %s", plan_fault_name(f->kind), name_of(l, f));
	for (int k = PLAN_SERVFAIL; f->kind == PLAN_KILL && k <= PLAN_DROP; k++)
		end_stub_faults(l, f->node, (enum plan_fault_kind)k); /* they end with it */
	if (whens_any(l->whens))
		(void)lab_when_look(l); /* marks of before don't count */
	l->fault[i].from_ns = host_mono_ns();
	l->fault[i].state = LAB_STRUCK;
	whens_struck(l->whens, i);
	if (f->kind == PLAN_KILL)
		fault_kill(l, i);
	else if (f->kind == PLAN_START)
		fault_start(l, i);
	else if (f->kind == PLAN_HANG || f->kind == PLAN_RESUME)
		fault_stop(l, i, f->kind == PLAN_HANG);
	else if (fault_is_wire(f->kind))
		fault_wire(l, i);
	else if (plan_fault_said(f->kind))
		fault_say(l, i);
	else
		fault_stub(l, i);
}

void lab_fault_end(struct lab *l)
{
	for (unsigned i = 0; i < l->plan->fault_n; i++)
		if (l->fault[i].state == LAB_PENDING && !fault_is_wire(l->plan->fault[i].kind))
			tell(l, i, false, "it hasn't said READY=1 before the end");
	for (unsigned node = 0; node < l->plan->node_n; node++)
		end_wire_fault(l, (int)node, l->wire->node[node].link);
}
