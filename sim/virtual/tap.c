/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What judge and captures see. Before t = 0 is known a frame's time can't be told, so the few that
 * there are by then are kept, and shown when it is. Frames with all their bytes are built only for
 * captures, whose clock begins with t = 0 at a fixed instant, so that they repeat.
 */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/plan/plan_io.h"
#include "sim/version.h"

static const int64_t T0_UNIX_NS = 1000000000000000000; /* 2001-09-09 01:46:40 UTC */

struct tap_early {
	struct tap_early *next;
	unsigned node;
	int64_t t_ns;
	struct slot slot;
	uint8_t data[SLOT_BYTES];
};

int tap_open(struct world *w, char error[VIRTUAL_ERROR_TEXT])
{
	char path[4096 + PLAN_NAME_TEXT];
	int err = 0;

	for (unsigned i = 0; w->o->dir != NULL && w->o->pcap && i < w->plan->node_n; i++) {
		snprintf(path, sizeof(path), "%s/%s.pcap", w->o->dir, w->plan->node[i].name);
		err = pcapw_open(&w->host[i].pcap, path, 0);
		if (err < 0) {
			snprintf(error, VIRTUAL_ERROR_TEXT, "%.900s: %s", path, strerror(-err));
			return err;
		}
	}
	return 0;
}

/* Hardware addresses as nodes have them in namespaces. */
static void put_mac(uint8_t out[6], unsigned node)
{
	const uint8_t mac[6] = { 2, 0xe4, 0, 0, (uint8_t)((node + 1) >> 8), (uint8_t)(node + 1) };

	memcpy(out, mac, sizeof(mac));
}

static void capture(struct world *w, struct host *h, int64_t t_ns, const struct slot *s)
{
	uint8_t bytes[FRAME_HEADERS + SLOT_BYTES], mac[12];
	unsigned to = s->to < w->plan->node_n ? s->to : s->from;

	put_mac(mac, to);
	put_mac(mac + 6, s->from);
	int n = frame_make(bytes, sizeof(bytes), mac, &s->f);
	MUST(n > 0);
	pcapw_add(h->pcap, T0_UNIX_NS + t_ns - w->t0_ns, bytes, (size_t)n, (size_t)n);
}

static void show(struct world *w, struct host *h, int64_t t_ns, const struct slot *s)
{
	struct judge_tap t = {
		.t_ns = t_ns - w->t0_ns, .number = ++h->shown, .node = h->node,
		.frame = &s->f, .message = s->read ? &s->message : NULL,
	};

	judge_tap(w->judge, &t);
	if (h->pcap != NULL)
		capture(w, h, t_ns, s);
}

static void keep_early(struct world *w, const struct host *h, int64_t t_ns, const struct slot *s)
{
	struct tap_early *e = malloc(sizeof(*e));
	ptrdiff_t moved;

	MUST(e != NULL);
	*e = (struct tap_early){ .node = h->node, .t_ns = t_ns, .slot = *s };
	memcpy(e->data, s->f.payload, s->f.payload_len);
	moved = e->slot.message.m - s->f.payload;
	e->slot.f.payload = e->data;
	if (s->read)
		e->slot.message.m = e->data + moved;
	*w->early_end = e;
	w->early_end = &e->next;
}

void tap(struct world *w, struct host *h, int64_t t_ns, const struct slot *s)
{
	if (w->t0_ns == 0)
		keep_early(w, h, t_ns, s);
	else
		show(w, h, t_ns, s);
}

static void start_event(struct world *w)
{
	char sha[65], real[32];

	plan_sha256(w->plan, sha);
	snprintf(real, sizeof(real), "%lld", (long long)T0_UNIX_NS);
	events_zero(&w->events, w->t0_ns,
	            json_pack("{s:s, s:I, s:s, s:s, s:s}", "engine", "virtual", "seed",
	                      (json_int_t)w->plan->seed, "plan_sha256", sha, "t0_unix_ns", real,
	                      "evenkeel", EVENKEEL_VERSION));
	events_add(&w->events, "setup", w->now_ns,
	           json_pack("{s:i, s:I}", "setup_us", 0, "ready_us",
	                     (json_int_t)(w->t0_ns - w->begin_ns) / 1000));
}

void tap_zero(struct world *w)
{
	start_event(w);
	for (struct tap_early *e = w->early, *next; e != NULL; e = next) {
		next = e->next;
		show(w, &w->host[e->node], e->t_ns, &e->slot);
		free(e);
	}
	w->early = NULL;
	w->early_end = &w->early;
}

int tap_close(struct world *w)
{
	int err = 0;

	for (unsigned i = 0; i < w->plan->node_n; i++) {
		struct pcapw *p = w->host[i].pcap;
		if (p == NULL)
			continue;
		events_add(&w->events, "pcap", w->now_ns,
		           json_pack("{s:s, s:I, s:I}", "node", w->plan->node[i].name, "records",
		                     (json_int_t)pcapw_records(p), "bytes",
		                     (json_int_t)pcapw_bytes(p)));
		int e = pcapw_close(p);
		if (e < 0 && err == 0)
			w->unwritten = w->plan->node[i].name;
		err = err != 0 ? err : e;
		w->host[i].pcap = NULL;
	}
	return err;
}

void tap_free(struct world *w)
{
	for (struct tap_early *e = w->early, *next; e != NULL; e = next) {
		next = e->next;
		free(e);
	}
	for (unsigned i = 0; w->host != NULL && i < w->plan->node_n; i++)
		if (w->host[i].pcap != NULL)
			(void)!pcapw_close(w->host[i].pcap);
}
