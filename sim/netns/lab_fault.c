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

enum { EVIDENCE = 256 };

static const char *name_of(const struct lab *l, const struct plan_fault *f)
{
	return l->plan->node[f->node].name;
}

/* Writes fault i down; it is over with. */
static void tell(struct lab *l, unsigned i, bool verified, const char *evidence)
{
	const struct plan_fault *f = &l->plan->fault[i];
	struct lab_fault *s = &l->fault[i];
	int64_t from = s->from_ns - l->t0_ns, to = s->to_ns - l->t0_ns;

	s->state = LAB_DONE;
	events_add(&l->events, "fault", s->from_ns,
	           json_pack("{s:s, s:s, s:I, s:I, s:I, s:b, s:s}", "kind",
	                     plan_fault_name(f->kind), "node", name_of(l, f), "at_ns",
	                     (json_int_t)f->at_ns, "from_ns", (json_int_t)from, "to_ns",
	                     (json_int_t)to, "verified", verified, "evidence", evidence));
}

static void fault_kill(struct lab *l, unsigned i)
{
	struct lab_fault *s = &l->fault[i];
	struct proc *p = &l->proc[l->plan->fault[i].node];
	char evidence[EVIDENCE];
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
	char evidence[EVIDENCE];

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
	char evidence[EVIDENCE];

	l->fault[i].to_ns = host_mono_ns();
	if (err == 0)
		snprintf(evidence, sizeof(evidence), "the kernel reports process %d %s",
		         (int)p->pid, hang ? "stopped" : "continued");
	else
		snprintf(evidence, sizeof(evidence), "there was no %s process",
		         hang ? "running" : "stopped");
	tell(l, i, err == 0, evidence);
}

static bool is_wires(enum plan_fault_kind k)
{
	return k == PLAN_BLACKHOLE || k == PLAN_HEAL || k == PLAN_LOSS || k == PLAN_DELAY;
}

/*
 * Fault i has ruled node's link from *was to now[]: proven when frames came its way and it did with
 * them what it should.
 */
static void prove_wire_fault(struct lab *l, unsigned i, const struct link_counts now[2])
{
	const struct plan_fault *f = &l->plan->fault[i];
	const struct link_counts *was = l->fault[i].was;
	uint64_t passed = 0, lost = 0, cut = 0;
	char evidence[EVIDENCE];
	bool verified;

	for (unsigned way = 0; way < 2; way++) {
		passed += now[way].passed - was[way].passed;
		lost += now[way].lost - was[way].lost;
		cut += now[way].cut - was[way].cut;
	}
	switch (f->kind) {
	case PLAN_BLACKHOLE:
		verified = cut > 0 && passed == 0;
		break;
	case PLAN_LOSS: /* or so few frames that all may well have passed: 20 expected */
		verified = lost > 0 || (passed > 0 && passed * f->value_ppm < 20000000);
		break;
	default:
		verified = passed > 0;
	}
	snprintf(evidence, sizeof(evidence), "on %s's link, both ways: %llu frames cut, %llu lost, "
	         "%llu passed", name_of(l, f), (unsigned long long)cut, (unsigned long long)lost,
	         (unsigned long long)passed);
	tell(l, i, verified, evidence);
}

/* The fault that rules node's link so far ends here. */
static void end_wire_fault(struct lab *l, int node, const struct link_counts now[2])
{
	for (unsigned i = 0; i < l->plan->fault_n; i++)
		if (l->fault[i].state == LAB_PENDING && is_wires(l->plan->fault[i].kind) &&
		    l->plan->fault[i].node == node)
			prove_wire_fault(l, i, now);
}

/* What node's link is like with fault f on top of what it was. */
static struct link_set link_with(const struct lab *l, const struct plan_fault *f)
{
	const struct plan_link *planned = &l->plan->node[f->node].link;
	struct link_set set = { planned->delay_ns, planned->loss_ppm, false };

	for (const struct plan_fault *g = l->plan->fault; g <= f; g++) {
		if (g->node != f->node)
			continue;
		if (g->kind == PLAN_HEAL)
			set = (struct link_set){ planned->delay_ns, planned->loss_ppm, false };
		if (g->kind == PLAN_BLACKHOLE)
			set.cut = true;
		if (g->kind == PLAN_LOSS)
			set.loss_ppm = g->value_ppm;
		if (g->kind == PLAN_DELAY)
			set.delay_ns = g->value_ns;
	}
	return set;
}

static void fault_wire(struct lab *l, unsigned i)
{
	const struct plan_fault *f = &l->plan->fault[i];
	struct wire_shared *w = l->wire;

	w->command_node = (unsigned)f->node;
	w->command_set = link_with(l, f);
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

static bool is_stubs(enum plan_fault_kind k)
{
	return k >= PLAN_SERVFAIL;
}

/*
 * A fault of a stub that still runs ends here: the stub counts the answers that it befell. One that
 * is switched off has no effect to be seen.
 */
static void end_stub_faults(struct lab *l, int node, enum plan_fault_kind kind)
{
	char evidence[EVIDENCE];

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
	char evidence[EVIDENCE];

	end_stub_faults(l, f->node, f->kind);
	l->fault[i].stub_was = lab_stub_fault(l, f, evidence, sizeof(evidence));
	l->fault[i].to_ns = host_mono_ns();
	if (l->fault[i].stub_was >= 0)
		l->fault[i].state = LAB_PENDING;
	else
		tell(l, i, false, evidence);
}

void lab_fault_prove_stubs(struct lab *l)
{
	for (unsigned i = 0; i < l->plan->fault_n; i++)
		if (l->fault[i].state == LAB_PENDING && is_stubs(l->plan->fault[i].kind))
			end_stub_faults(l, l->plan->fault[i].node, l->plan->fault[i].kind);
}

void lab_fault(struct lab *l, unsigned i)
{
	const struct plan_fault *f = &l->plan->fault[i];

	lab_phase(l, "%s %s", plan_fault_name(f->kind), name_of(l, f));
	l->fault[i].from_ns = host_mono_ns();
	if (f->kind == PLAN_KILL)
		fault_kill(l, i);
	else if (f->kind == PLAN_START)
		fault_start(l, i);
	else if (f->kind == PLAN_HANG || f->kind == PLAN_RESUME)
		fault_stop(l, i, f->kind == PLAN_HANG);
	else if (is_wires(f->kind))
		fault_wire(l, i);
	else
		fault_stub(l, i);
}

void lab_fault_end(struct lab *l)
{
	for (unsigned i = 0; i < l->plan->fault_n; i++)
		if (l->fault[i].state == LAB_PENDING && !is_wires(l->plan->fault[i].kind))
			tell(l, i, false, "it hasn't said READY=1 before the end");
	for (unsigned node = 0; node < l->plan->node_n; node++)
		end_wire_fault(l, (int)node, l->wire->node[node].link);
}
