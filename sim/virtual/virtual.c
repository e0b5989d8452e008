/* SPDX-License-Identifier: BSD-3-Clause */
/* A whole run in virtual time: from the plan to the verdict document; see virtual.h. */
#include "virtual.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sim/plan/lint.h"
#include "world.h"

bool virtual_refuses(const struct plan *p, char error[VIRTUAL_ERROR_TEXT])
{
	unsigned line;

	if (!p->for_virtual)
		snprintf(error, VIRTUAL_ERROR_TEXT, "%.900s isn't for the virtual engine",
		         p->scenario_path);
	else if (p->balancer.path != NULL || p->recursor.path != NULL)
		snprintf(error, VIRTUAL_ERROR_TEXT, "%.900s can't run in virtual time: only our "
		         "own balancer and recursor-stub can",
		         p->balancer.path != NULL ? p->balancer.path : p->recursor.path);
	else if (plan_upsets_tcp(p, &line) && line == 0)
		snprintf(error, VIRTUAL_ERROR_TEXT, "%.900s: queries or checks go over TCP while a "
		         "link loses, doubles or reorders frames, which virtual time can't",
		         p->scenario_path);
	else if (plan_upsets_tcp(p, &line))
		snprintf(error, VIRTUAL_ERROR_TEXT, "%.850s:%u: truncate sends clients to TCP "
		         "while a link loses, doubles or reorders frames, which virtual time "
		         "can't: expected none of it at that time", p->scenario_path, line);
	else
		return false;
	return true;
}

static void hear(void *arg, const json_t *line)
{
	judge_event(arg, line);
}

static json_int_t us(int64_t ns)
{
	return (json_int_t)(ns / 1000);
}

static void node_event(struct world *w, const struct host *h)
{
	events_add(&w->events, "node", w->now_ns,
	           json_pack("{s:s, s:I, s:I, s:I, s:I, s:i, s:i, s:I}", "node",
	                     w->plan->node[h->node].name, "if_sent", (json_int_t)h->sent,
	                     "if_received", (json_int_t)h->received, "wire_took",
	                     (json_int_t)h->sent, "wire_gave", (json_int_t)h->received,
	                     "if_drops", 0, "udp_rcvbuf_errors", 0, "queue_drops",
	                     (json_int_t)h->queue_drops));
}

static void load_event(struct world *w, unsigned i)
{
	struct load_counts c = { 0 };

	if (w->load[i].load != NULL)
		load_counts(w->load[i].load, &c);
	events_add(&w->events, "load", w->now_ns,
	           json_pack("{s:i, s:s, s:I, s:I, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
	                     "s:I}", "load", (int)i, "node",
	                     w->plan->node[w->plan->load[i].node].name, "planned",
	                     (json_int_t)c.planned, "sent", (json_int_t)c.sent, "unsent", 0,
	                     "retries", (json_int_t)c.retries, "tcp", (json_int_t)c.tcp,
	                     "answered", (json_int_t)c.answered, "timed_out",
	                     (json_int_t)c.timed_out, "unmatched", (json_int_t)c.unmatched,
	                     "late_p50_us", us(MODEL_SEND), "late_p99_us", us(MODEL_SEND),
	                     "late_p999_us", us(MODEL_SEND), "late_max_us", us(MODEL_SEND)));
}

static void wire_event(struct world *w)
{
	json_t *e = json_pack("{s:I, s:I, s:I, s:i, s:i, s:i, s:i}", "frames",
	                      (json_int_t)w->frames, "lost", (json_int_t)w->lost, "unroutable",
	                      (json_int_t)w->unroutable, "drops", 0, "delay_p50_us", 0,
	                      "delay_p99_us", 0, "loop_gap_max_us", 0);

	if (w->doubled > 0)
		json_object_set_new(e, "doubled", json_integer((json_int_t)w->doubled));
	events_add(&w->events, "wire", w->now_ns, e);
}

/* What isn't in packets, at the end. 0, or -errno when a file couldn't be written. */
static int tell_end(struct world *w)
{
	if (w->trouble[0] != '\0')
		events_add(&w->events, "trouble", w->now_ns,
		           json_pack("{s:s}", "what", w->trouble));
	for (unsigned i = 0; i < w->plan->node_n; i++)
		node_event(w, &w->host[i]);
	for (unsigned i = 0; i < w->plan->load_n; i++)
		load_event(w, i);
	wire_event(w);
	int err = tap_close(w);
	events_add(&w->events, "end", w->now_ns, json_pack("{s:i}", "teardown_us", 0));
	return err;
}

static int open_events(struct world *w, char error[VIRTUAL_ERROR_TEXT])
{
	int err = events_open(&w->events, w->o->dir);

	if (err < 0) {
		snprintf(error, VIRTUAL_ERROR_TEXT, "%.900s/events.jsonl: %s", w->o->dir,
		         strerror(-err));
		return err;
	}
	w->events.tell = hear;
	w->events.tell_arg = w->judge;
	return 0;
}

/* The run itself, world and judge made. NULL with the error. */
static json_t *run(struct world *w, char error[VIRTUAL_ERROR_TEXT])
{
	if (open_events(w, error) < 0)
		return NULL;
	if (w->o->sabotage != NULL && w->o->sabotage->begin != NULL)
		w->o->sabotage->begin(w->o->sabotage->arg, &w->events, w->now_ns);
	loop_run(w);
	int err = tell_end(w), closed = events_close(&w->events);
	if (err < 0 || closed < 0) {
		const char *name = w->unwritten != NULL ? w->unwritten : "events.jsonl";
		snprintf(error, VIRTUAL_ERROR_TEXT, "%.900s/%s%s: can't be written: %s", w->o->dir,
		         name, w->unwritten != NULL ? ".pcap" : "",
		         strerror(err < 0 ? -err : -closed));
		return NULL;
	}
	return judge_finish(w->judge);
}

json_t *virtual_run(const struct plan *p, const struct virtual_options *o,
                    char error[VIRTUAL_ERROR_TEXT])
{
	struct world w = { 0 };
	json_t *doc = NULL;

	if (virtual_refuses(p, error))
		return NULL;
	int err = world_init(&w, p, o, error);
	if (err == 0)
		w.judge = judge_new(p, error);
	if (w.judge != NULL)
		doc = run(&w, error);
	judge_free(w.judge);
	world_fini(&w);
	return doc;
}
