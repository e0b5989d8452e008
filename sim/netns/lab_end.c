/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a lab: programs and wire end, counters are compared, the last events are written. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"
#include "lib/host/host.h"

#define TERM_NS INT64_C(300000000)   /* for programs to end by themselves */
#define QUIET_NS INT64_C(2000000)    /* no frame for so long: nothing is under way */
#define QUIET_MAX_NS INT64_C(500000000)
#define WIRE_END_NS INT64_C(10000000000)

static bool programs_gone(struct lab *l)
{
	for (unsigned i = 0; i < l->plan->node_n; i++)
		if (l->proc[i].pid != 0)
			return false;
	for (unsigned i = 0; i < l->plan->load_n; i++)
		if (l->load_pid[i] != 0)
			return false;
	return true;
}

static bool wire_gone(struct lab *l)
{
	return l->wire_pid == 0;
}

static void signal_all(struct lab *l, int signal_number)
{
	for (unsigned i = 0; i < l->plan->node_n; i++) {
		if (l->proc[i].pid == 0)
			continue;
		kill(l->proc[i].pid, signal_number);
		if (l->proc[i].hung)
			kill(l->proc[i].pid, SIGCONT);
	}
}

/* Programs may end by themselves, so that their logs are whole; clients have no say. */
static void end_programs(struct lab *l)
{
	for (unsigned i = 0; i < l->plan->load_n; i++)
		if (l->load_pid[i] != 0)
			kill(l->load_pid[i], SIGKILL);
	signal_all(l, SIGTERM);
	if (lab_until(l, programs_gone, host_mono_ns() + TERM_NS) == 0)
		return;
	signal_all(l, SIGKILL);
	(void)!lab_until(l, programs_gone, host_mono_ns() + TERM_NS);
}

/* Nobody sends any more; waits until the wire has been idle for a while. */
static void be_quiet(struct lab *l)
{
	int64_t end_ns = host_mono_ns() + QUIET_MAX_NS;
	uint64_t before;

	do {
		before = atomic_load(&l->wire->frames);
		(void)!lab_until(l, NULL, host_mono_ns() + QUIET_NS);
	} while (host_mono_ns() < end_ns && l->wire_pid != 0 &&
	         (atomic_load(&l->wire->frames) != before || atomic_load(&l->wire->pending) > 0));
}

static void node_event(struct lab *l, unsigned i)
{
	const struct plan_node *n = &l->plan->node[i];
	struct wire_node *w = &l->wire->node[i];
	struct layout_counters c;
	int err = layout_counters(&l->layout, i, &c);

	if (err != 0) {
		lab_trouble(l, "can't read the counters of %s: %s", n->name, strerror(-err));
		return;
	}
	json_t *e = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "node", n->name,
	                      "if_sent", (json_int_t)c.sent, "if_received",
	                      (json_int_t)c.received, "wire_took",
	                      (json_int_t)atomic_load(&w->took), "wire_gave",
	                      (json_int_t)atomic_load(&w->gave), "if_drops", (json_int_t)c.drops,
	                      "udp_rcvbuf_errors", (json_int_t)c.udp_rcvbuf_errors, "cpu_us",
	                      (json_int_t)l->proc[i].cpu_us);
	if (l->waits != NULL && l->waits[i].told)
		json_object_set_new(e, "wait_max_us",
		                    json_integer((json_int_t)(l->waits[i].max_ns / 1000)));
	events_add(&l->events, "node", host_mono_ns(), e);
}

static void end_wire(struct lab *l)
{
	uint64_t one = 1;

	atomic_store(&l->wire->stop, true);
	(void)!write(l->bell, &one, sizeof(one));
	l->stopped = false; /* what is left is short */
	int err = lab_until(l, wire_gone, host_mono_ns() + WIRE_END_NS);
	if (atomic_load(&l->wire->state) != WIRE_ENDED)
		lab_trouble(l, "the wire hasn't ended well: %s",
		            err == -ETIME ? "it hangs" : l->wire->error_what);
}

static int64_t us(const struct hist *h, uint32_t q_ppm)
{
	return hist_quantile(h, q_ppm) / 1000;
}

static void load_event(struct lab *l, unsigned i)
{
	const struct load_result *r = &l->shared->load[i];
	const struct load_counts *c = &r->counts;

	if (atomic_load(&r->done) != 1)
		lab_trouble(l, "the clients of load %u haven't finished", i + 1);
	if (r->error != 0)
		lab_trouble(l, "the clients of load %u: %s", i + 1, strerror(-r->error));
	json_t *o = json_pack("{s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "load", (int)i,
	                      "node", l->plan->node[l->plan->load[i].node].name, "planned",
	                      (json_int_t)c->planned, "sent", (json_int_t)c->sent, "unsent",
	                      (json_int_t)r->unsent, "retries", (json_int_t)c->retries, "tcp",
	                      (json_int_t)c->tcp, "answered", (json_int_t)c->answered, "timed_out",
	                      (json_int_t)c->timed_out, "unmatched", (json_int_t)c->unmatched);
	json_t *late = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "late_p50_us",
	                         (json_int_t)us(&r->late_ns, 500000), "late_p99_us",
	                         (json_int_t)us(&r->late_ns, 990000), "late_p999_us",
	                         (json_int_t)us(&r->late_ns, 999000), "late_max_us",
	                         (json_int_t)(r->late_ns.max / 1000), "loop_gap_max_us",
	                         (json_int_t)(r->loop_gap_max_ns / 1000), "cpu_us",
	                         (json_int_t)r->cpu_us);
	json_object_update(o, late);
	json_decref(late);
	events_add(&l->events, "load", host_mono_ns(), o);
}

static void wire_event(struct lab *l)
{
	const struct wire_shared *w = l->wire;
	uint64_t drops = w->ring_drops + w->full + w->send_errors + w->oversize;

	json_t *e = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
	                      "frames", (json_int_t)atomic_load(&w->frames), "lost",
	                      (json_int_t)w->lost, "unroutable", (json_int_t)w->unroutable,
	                      "drops", (json_int_t)drops, "ring_drops",
	                      (json_int_t)w->ring_drops, "full", (json_int_t)w->full,
	                      "send_errors", (json_int_t)w->send_errors, "oversize",
	                      (json_int_t)w->oversize, "delay_p50_us",
	                      (json_int_t)us(&w->delay_ns, 500000), "delay_p99_us",
	                      (json_int_t)us(&w->delay_ns, 990000), "loop_gap_max_us",
	                      (json_int_t)(w->loop_gap_max_ns / 1000), "cpu_us",
	                      (json_int_t)w->cpu_us);

	if (w->doubled > 0)
		json_object_set_new(e, "doubled", json_integer((json_int_t)w->doubled));
	events_add(&l->events, "wire", host_mono_ns(), e);
}

static void pcap_events(struct lab *l)
{
	for (unsigned i = 0; l->o->pcap && i < l->plan->node_n; i++)
		events_add(&l->events, "pcap", host_mono_ns(),
		           json_pack("{s:s, s:I, s:I}", "node", l->plan->node[i].name, "records",
		                     (json_int_t)l->wire->node[i].pcap_records, "bytes",
		                     (json_int_t)l->wire->node[i].pcap_bytes));
}

void lab_collect(struct lab *l)
{
	lab_phase(l, "counting");
	l->stopped = false; /* or the end wouldn't be waited for */
	lab_fault_prove_stubs(l);
	end_programs(l);
	be_quiet(l);
	for (unsigned i = 0; i < l->plan->node_n; i++)
		node_event(l, i);
	end_wire(l);
	lab_fault_end(l);
	for (unsigned i = 0; i < l->plan->load_n; i++)
		load_event(l, i);
	wire_event(l);
	pcap_events(l);
	events_add(&l->events, "clock", host_mono_ns(),
	           json_pack("{s:I}", "step_us",
	                     (json_int_t)((host_real_offset_ns() - l->t0_real_ns +
	                                   l->t0_ns) / 1000)));
}
