/* SPDX-License-Identifier: BSD-3-Clause */
/* What the engine told in events.jsonl, line by line, against docs/run-directory.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inner.h"

static const int64_t UNIX_NS_MAX = 4294967296000000000; /* what a pcap can say */

/* No time or count of a run is greater; so sums and units of what is read can't overflow. */
static const int64_t NUMBER_MAX = 1000000000000000;

/* A whole number; def when the key is missing or is something else. */
static int64_t number(const json_t *e, const char *key, int64_t def)
{
	const json_t *v = json_object_get(e, key);

	if (!json_is_integer(v))
		return def;
	int64_t n = json_integer_value(v);
	return n > NUMBER_MAX ? NUMBER_MAX : n < -NUMBER_MAX ? -NUMBER_MAX : n;
}

static const char *string(const json_t *e, const char *key)
{
	const char *s = json_string_value(json_object_get(e, key));

	return s != NULL ? s : "";
}

static void copy(char *to, size_t cap, const char *from)
{
	strncpy(to, from, cap - 1);
	to[cap - 1] = '\0';
}

/* The node that an event names; PLAN_NONE, and the run invalid, when the plan has none. */
static int node_of(struct judge *j, const json_t *e)
{
	int node = plan_find_node(j->plan, string(e, "node"));

	if (node == PLAN_NONE)
		judge_invalid(j, "events.jsonl: event '%s' of a node '%s' that isn't planned",
		              string(e, "event"), string(e, "node"));
	return node;
}

bool engine_is_virtual(const struct judge *j)
{
	return strcmp(j->events.engine, "virtual") == 0;
}

static void event_start(struct judge *j, const json_t *e)
{
	struct events *s = &j->events;

	s->start = true;
	s->t0_unix_ns = strtoll(string(e, "t0_unix_ns"), NULL, 10);
	if (s->t0_unix_ns < 0 || s->t0_unix_ns > UNIX_NS_MAX)
		s->t0_unix_ns = 0;
	copy(s->engine, sizeof(s->engine), string(e, "engine"));
	copy(s->plan_sha256, sizeof(s->plan_sha256), string(e, "plan_sha256"));
}

static void event_setup(struct judge *j, const json_t *e)
{
	j->events.setup_us = number(e, "setup_us", 0);
	j->events.ready_us = number(e, "ready_us", 0);
}

int64_t fault_strikes(const struct judge *j, unsigned fault)
{
	const struct plan_fault *f = &j->plan->fault[fault];
	const struct fault_seen *s = &j->events.fault[fault];

	if (f->when == PLAN_AT)
		return f->at_ns;
	return (s->told || s->begun) && !s->skipped ? s->from_ns : INT64_MAX;
}

/* Some fault up to this one waits for a trigger: or none can have been passed over. */
static bool triggers_until(const struct plan *p, unsigned fault)
{
	for (unsigned i = 0; i <= fault; i++)
		if (p->fault[i].when != PLAN_AT)
			return true;
	return false;
}

/*
 * Faults are told in the plan's order for one node and kind: the first untold one that fits. Who
 * judges as he goes tells a fault twice: pending when it strikes, and again when it is proven.
 */
static void event_fault(struct judge *j, const json_t *e)
{
	int node = node_of(j, e);

	for (unsigned i = 0; node != PLAN_NONE && i < j->plan->fault_n; i++) {
		const struct plan_fault *f = &j->plan->fault[i];
		struct fault_seen *s = &j->events.fault[i];
		if ((s->told && !s->pending) || f->node != node ||
		    f->at_ns != number(e, "at_ns", NEVER) ||
		    strcmp(plan_fault_name(f->kind), string(e, "kind")) != 0)
			continue;
		if (json_is_true(json_object_get(e, "begun"))) {
			s->begun = true;
			s->from_ns = number(e, "from_ns", f->at_ns);
			gones_end_known(j, i);
			return;
		}
		bool first = !s->told;
		s->told = true;
		s->skipped = triggers_until(j->plan, i) &&
		             json_is_false(json_object_get(e, "triggered"));
		s->pending = json_is_true(json_object_get(e, "pending"));
		s->verified = json_is_true(json_object_get(e, "verified"));
		s->from_ns = number(e, "from_ns", f->at_ns);
		s->to_ns = number(e, "to_ns", f->at_ns);
		copy(s->evidence, sizeof(s->evidence), string(e, "evidence"));
		if (s->skipped)
			gones_end_known(j, i);
		else if (first)
			gones_fault(j, i);
		return;
	}
	if (node != PLAN_NONE)
		judge_invalid(j, "events.jsonl: a fault '%s' of %s that the plan doesn't have",
		              string(e, "kind"), string(e, "node"));
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void event_load(struct judge *j, const json_t *e)
{
	struct events *s = &j->events;

	s->loads++;
	s->planned += number(e, "planned", 0);
	s->sent += number(e, "sent", 0);
	s->unsent += number(e, "unsent", 0);
	s->late_p50_us = most(s->late_p50_us, number(e, "late_p50_us", 0));
	s->late_p99_us = most(s->late_p99_us, number(e, "late_p99_us", 0));
	s->late_p999_us = most(s->late_p999_us, number(e, "late_p999_us", 0));
	s->late_max_us = most(s->late_max_us, number(e, "late_max_us", 0));
}

static void event_node(struct judge *j, const json_t *e)
{
	int node = node_of(j, e);

	if (node == PLAN_NONE)
		return;
	struct node_seen *n = &j->events.node[node];
	n->told = true;
	n->if_sent = number(e, "if_sent", -1);
	n->if_received = number(e, "if_received", -1);
	n->wire_took = number(e, "wire_took", -1);
	n->wire_gave = number(e, "wire_gave", -1);
	n->if_drops = number(e, "if_drops", 0);
	n->rcvbuf_errors = number(e, "udp_rcvbuf_errors", 0);
	n->queue_drops = number(e, "queue_drops", 0);
	n->wait_max_us = number(e, "wait_max_us", -1);
}

static void event_wire(struct judge *j, const json_t *e)
{
	struct events *s = &j->events;

	s->wire = true;
	s->wire_drops = number(e, "drops", 0);
	s->delay_p50_us = number(e, "delay_p50_us", 0);
	s->delay_p99_us = number(e, "delay_p99_us", 0);
	s->loop_gap_max_us = most(s->loop_gap_max_us, number(e, "loop_gap_max_us", 0));
}

static void event_pcap(struct judge *j, const json_t *e)
{
	int node = node_of(j, e);

#ifndef EK_PLANT /* planted: a node that isn't planned is taken for one that is */
	if (node != PLAN_NONE)
#endif
		j->events.node[node].pcap_records = number(e, "records", -1);
}

static void event_clock(struct judge *j, const json_t *e)
{
	j->events.clock = true;
	j->events.clock_step_us = number(e, "step_us", 0);
}

static void event_trouble(struct judge *j, const json_t *e)
{
	j->events.trouble = true;
	judge_invalid(j, "the engine reports trouble: %s", string(e, "what"));
}

static void event_violation(struct judge *j, const json_t *e)
{
	struct events *s = &j->events;
	int node = json_object_get(e, "node") != NULL ? node_of(j, e) : PLAN_NONE;

	if (s->violation_n == VIOLATIONS_MAX) {
		s->violation_more++;
		return;
	}
	struct violation *v = &s->violation[s->violation_n++];
	*v = (struct violation){ strdup(string(e, "what")), node, number(e, "t_ns", 0) };
	MUST(v->what != NULL);
}

static void event_defect(struct judge *j, const json_t *e)
{
	struct events *s = &j->events;
	char text[256], value[32] = "";

	if (s->defect_n == DEFECTS_MAX)
		return;
	if (json_is_integer(json_object_get(e, "value")))
		snprintf(value, sizeof(value), "=%lld", (long long)number(e, "value", 0));
	snprintf(text, sizeof(text), "%s%s: %s", string(e, "name"), value, string(e, "what"));
	s->defect[s->defect_n] = strdup(text);
	MUST(s->defect[s->defect_n++] != NULL);
}

static void event_end(struct judge *j, const json_t *e)
{
	(void)e;
	j->events.end = true;
}

static void event_process(struct judge *j, const json_t *e)
{
	(void)node_of(j, e);
}

void judge_event(struct judge *j, const json_t *event)
{
	static const struct {
		const char *name;
		void (*take)(struct judge *j, const json_t *e);
	} kind[] = {
		{ "start", event_start }, { "setup", event_setup }, { "process", event_process },
		{ "fault", event_fault }, { "load", event_load }, { "node", event_node },
		{ "wire", event_wire }, { "pcap", event_pcap }, { "clock", event_clock },
		{ "trouble", event_trouble }, { "violation", event_violation },
		{ "defect", event_defect }, { "end", event_end },
	};
	for (size_t i = 0; i < COUNT_OF(kind); i++)
		if (strcmp(kind[i].name, string(event, "event")) == 0) {
			kind[i].take(j, event);
			return;
		}
	judge_invalid(j, "events.jsonl: unknown event '%s'", string(event, "event"));
}
