/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Validity: did the harness keep its promises? Whatever it broke makes the run INVALID, with the
 * figure that shows it; no gate ever makes a run FAIL. Each gate is one function.
 */
#include <stdlib.h>
#include <string.h>

#include "early.h"
#include "inner.h"
#include "sim/plan/bounds.h"

enum { CLOCK_STEP_MAX_US = 1000 };

static long long us(int64_t ns)
{
	return (long long)(ns / 1000);
}

/* The run has a beginning and an end, and was the run of this plan. */
static void gate_whole(struct judge *j)
{
	const struct events *e = &j->events;

	if (!e->start)
		judge_invalid(j, "events.jsonl has no 'start': nobody knows which moment is t = 0");
	if (!e->end)
		judge_invalid(j, "events.jsonl has no 'end': the run stopped early");
	if (j->disorder > 0)
		judge_invalid(j, "%llu records came more than a second behind the order of time",
		              (unsigned long long)j->disorder);
	if (e->start && strcmp(j->sha256, e->plan_sha256) != 0)
		judge_invalid(j, "the run was of another plan: events.jsonl says sha256 %.12s..., "
		              "plan.json has %.12s...", e->plan_sha256, j->sha256);
}

static void gate_load(struct judge *j)
{
	const struct events *e = &j->events;
	const struct plan_limits *l = &j->plan->limits;
	uint64_t planned = 0, sent = 0;

	for (unsigned i = 0; i < j->client_n; i++) {
		planned += j->client[i].settled.planned;
		sent += j->client[i].settled.sent;
	}
	if (e->loads != (int64_t)j->plan->load_n)
		judge_invalid(j, "%lld of %u loads told how they went", (long long)e->loads,
		              j->plan->load_n);
	if (e->unsent > 0)
		judge_invalid(j, "%lld due queries were not sent", (long long)e->unsent);
	if (planned != sent)
		judge_invalid(j, "%llu queries were planned, %llu of them are in the clients' "
		              "captures", (unsigned long long)planned, (unsigned long long)sent);
	if (e->late_p999_us > us(l->send_late_p999_ns))
		judge_invalid(j, "queries were sent late: p99.9 %lld us, at most %lld us",
		              (long long)e->late_p999_us, us(l->send_late_p999_ns));
	if (e->late_max_us > us(l->send_late_max_ns))
		judge_invalid(j, "a query was sent %lld us late, at most %lld us",
		              (long long)e->late_max_us, us(l->send_late_max_ns));
}

/* The same from the packets: what left the clients' interface late, whatever the sender says. */
static void gate_packets_late(struct judge *j)
{
	const struct plan_limits *l = &j->plan->limits;
	int64_t p999_us = late_p999_us(j->late), max_us = late_max_us(j->late);

	if (p999_us > us(l->send_late_p999_ns))
		judge_invalid(j, "queries left the clients' interface late: p99.9 %lld us, at "
		              "most %lld us", (long long)p999_us,
		              us(l->send_late_p999_ns));
	if (max_us > us(l->send_late_max_ns))
		judge_invalid(j, "a query left the clients' interface %lld us late, at most "
		              "%lld us", (long long)max_us, us(l->send_late_max_ns));
}

static bool engine_is_netns(const struct judge *j)
{
	return strcmp(j->events.engine, "netns") == 0;
}

static bool engine_is_known(const struct judge *j)
{
	return engine_is_netns(j) || engine_is_virtual(j);
}

static void gate_wire(struct judge *j)
{
	const struct events *e = &j->events;
	int64_t gap_us = us(j->plan->limits.loop_gap_ns);

	if (e->wire_drops != 0)
		judge_invalid(j, "the wire dropped %lld frames of its own",
		              (long long)e->wire_drops);
	if (e->loop_gap_max_us > gap_us)
		judge_invalid(j, "the harness was starved: a loop stood still for %lld us, at most "
		              "%lld us", (long long)e->loop_gap_max_us, (long long)gap_us);
	if (llabs(e->clock_step_us) > CLOCK_STEP_MAX_US)
		judge_invalid(j, "the clock was stepped by %lld us during the run",
		              (long long)e->clock_step_us);
	if (engine_is_known(j) && !e->wire)
		judge_invalid(j, "events.jsonl has no 'wire': nobody knows what the wire dropped");
	if (engine_is_netns(j) && !e->clock)
		judge_invalid(j, "events.jsonl has no 'clock': was it stepped?");
}

static bool node_hung(const struct plan *p, unsigned node)
{
	for (unsigned i = 0; i < p->fault_n; i++)
		if (p->fault[i].node == (int)node && p->fault[i].kind == PLAN_HANG)
			return true;
	return false;
}

/* Interface counters, the wire's own and the capture tell of the same frames. */
static void gate_node(struct judge *j, unsigned node)
{
	const struct node_seen *n = &j->events.node[node];
	const char *name = j->plan->node[node].name;

	if (n->pcap_records >= 0 && n->frames != (uint64_t)n->pcap_records)
		judge_invalid(j, "%s.pcap: %llu records can be read, %lld were written", name,
		              (unsigned long long)n->frames, (long long)n->pcap_records);
	if (!n->told)
		return;
	if (n->if_drops != 0)
		judge_invalid(j, "%s: its interface dropped %lld frames", name,
		              (long long)n->if_drops);
	if (n->rcvbuf_errors != 0 && !node_hung(j->plan, node))
		judge_invalid(j, "%s: its sockets' buffers dropped %lld datagrams", name,
		              (long long)n->rcvbuf_errors);
	if (n->if_sent != n->wire_took || n->if_received != n->wire_gave)
		judge_invalid(j, "%s: its interface sent %lld and received %lld frames, the wire "
		              "took %lld and gave %lld", name, (long long)n->if_sent,
		              (long long)n->if_received, (long long)n->wire_took,
		              (long long)n->wire_gave);
	else if (n->pcap_records >= 0 && n->wire_took + n->wire_gave != n->pcap_records)
		judge_invalid(j, "%s: the wire moved %lld frames, %s.pcap has %lld records", name,
		              (long long)(n->wire_took + n->wire_gave), name,
		              (long long)n->pcap_records);
}

static void gate_nodes(struct judge *j)
{
	for (unsigned i = 0; i < j->plan->node_n; i++) {
		gate_node(j, i);
		if (engine_is_known(j) && !j->events.node[i].told)
			judge_invalid(j, "events.jsonl has no 'node' for %s",
			              j->plan->node[i].name);
		if (engine_is_netns(j) && j->events.node[i].pcap_records < 0)
			judge_invalid(j, "events.jsonl has no 'pcap' for %s",
			              j->plan->node[i].name);
	}
}

/*
 * A dead server doesn't answer: neither queries nor probes, once what was on its way is there. One
 * that only hears nothing goes on with what it has.
 */
static void gate_fault_effect(struct judge *j, unsigned fault)
{
	const struct plan_fault *f = &j->plan->fault[fault];
	uint64_t answers = fault_answers(j, fault);

	if (answers > 0 && !(f->kind == PLAN_CUT && f->way == PLAN_IN))
		judge_invalid(j, "%s %s had no effect: it still gave %llu answers afterwards",
		              plan_fault_name(f->kind), j->plan->node[f->node].name,
		              (unsigned long long)answers);
}

/*
 * Nobody can have noticed at once: where hardly a query went to the dead, it wasn't dead. Unless a
 * balancer turned away while its own health checks said up, which no harness can make it do: that
 * is detect's FAIL.
 */
static void gate_fault_misrouted(struct judge *j, unsigned fault)
{
	const struct plan_fault *f = &j->plan->fault[fault];
	uint64_t n = fault_misrouted(j, fault), least = fault_misrouted_least(j, fault);
	struct text at = { .n = 0 };

	text_time(&at, j->events.fault[fault].from_ns);
	if (n < least && !fault_left_early(j, fault))
		judge_invalid(j, "%s of %s at %s: only %llu queries were sent to it, at least %llu "
		              "must have been before its health checks could tell",
		              plan_fault_name(f->kind), j->plan->node[f->node].name, at.s,
		              (unsigned long long)n, (unsigned long long)least);
}

static void gate_faults(struct judge *j)
{
	for (unsigned i = 0; i < j->plan->fault_n; i++) {
		const struct plan_fault *f = &j->plan->fault[i];
		const struct fault_seen *s = &j->events.fault[i];
		const char *kind = plan_fault_name(f->kind), *name = j->plan->node[f->node].name;
		if (!s->told)
			judge_invalid(j, "%s %s was planned and didn't happen", kind, name);
		else if (s->skipped)
			continue; /* the claims decide about who made it so */
		else if (!s->verified)
			judge_invalid(j, "%s %s: nothing shows that it took effect%s%s", kind, name,
			              s->evidence[0] != '\0' ? ": " : "", s->evidence);
		else if (plan_fault_silences(f->kind) &&
		         j->plan->node[f->node].role == PLAN_RECURSOR) {
			gate_fault_effect(j, i);
			gate_fault_misrouted(j, i);
		}
	}
}

int64_t programs_waited_us(const struct judge *j, unsigned *node)
{
	int64_t most_us = -1;

	for (unsigned i = 0; i < j->plan->node_n; i++) {
		const struct node_seen *n = &j->events.node[i];
		if (!n->told || n->wait_max_us <= most_us)
			continue;
		most_us = n->wait_max_us;
		*node = i;
	}
	return most_us;
}

/* A program that wasn't let run did nothing wrong. One that passed nevertheless has passed. */
void gate_fail(struct judge *j)
{
	int64_t most_us = us(j->plan->limits.loop_gap_ns);
	unsigned node = 0;
	int64_t waited_us = programs_waited_us(j, &node);

	if (waited_us > most_us)
		judge_invalid(j, "%s was starved: it waited %lld us for a processor within a tenth "
		              "of a second, at most %lld us where a claim fails",
		              j->plan->node[node].name, (long long)waited_us, (long long)most_us);
}

void gates(struct judge *j)
{
	gate_whole(j);
	gate_load(j);
	gate_packets_late(j);
	gate_wire(j);
	gate_nodes(j);
	gate_faults(j);
}
