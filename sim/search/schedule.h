/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random schedules of faults. A schedule is a list of windows: a fault that begins, on one node,
 * and is over at some time, or never. Laid out it is a plan's timeline, and always one that is
 * possible; any part of a schedule can be laid out again, which is what shrinking lives by. Draws
 * are from a stream of their own (DRBG_SEARCH) under the plan's seed, so the load doesn't depend
 * on them. Pure.
 */
#ifndef EK_SEARCH_SCHEDULE_H
#define EK_SEARCH_SCHEDULE_H

#include "lib/must.h"
#include "sim/plan/plan.h"

enum { SEARCH_EVENTS_MAX = 100, SEARCH_ERROR = 1024 };

struct search_window {
	enum plan_fault_kind kind;
	int node;
	int64_t at_ns, until_ns;    /* until_ns 0: to the end */
	int64_t value_ns;
	uint32_t value_ppm;
	uint64_t rate_bps;
	enum plan_way way;
};

struct search_schedule {
	unsigned n;
	struct search_window window[SEARCH_EVENTS_MAX];
};

/* What may be drawn. */
struct search_spec {
	uint32_t kinds;             /* bits 1 << plan_fault_kind: of faults that begin something */
	unsigned node_n;
	int node[PLAN_NODES_MAX];
	unsigned max_events;        /* 1...SEARCH_EVENTS_MAX; a beginning and an end are two */
};

/* What of a right system's behaviour a fault may change. */
enum search_spoils {
	SEARCH_SILENCES = 1,        /* a node that answers nothing: detect, back and lost know it */
	SEARCH_WRONG = 2,           /* answers that are wrong */
	SEARCH_OTHER = 4,           /* answers that are lost, late or errors, in no model */
};

/*
 * "kill,hang,loss" into spec->kinds, "DNS1,LB2" into its nodes; nodes NULL: all recursors. 0, or
 * -EINVAL with one line in error.
 */
int search_kinds_parse(struct search_spec *spec, const char *text, char error[SEARCH_ERROR])
	MUST_CHECK;
int search_nodes_parse(struct search_spec *spec, const struct plan *p, const char *text,
                       char error[SEARCH_ERROR]) MUST_CHECK;

/* enum search_spoils of a kind; 0: it ends something. */
unsigned search_spoils(enum plan_fault_kind kind);
/* Whether f is the end of a window. */
bool search_is_end(const struct plan_fault *f);
/* The end of p's last load: no fault comes at or after it. */
int64_t search_load_end(const struct plan *p);

/* Draws a schedule under p's seed. p: topology and load; its timeline doesn't matter. */
void search_draw(struct search_schedule *s, const struct search_spec *spec, const struct plan *p);
/*
 * Makes s the timeline of p, whose fault has room for 2 * SEARCH_EVENTS_MAX: by time, without the
 * ends that another end made needless. False when a beginning is impossible, or the whole is more
 * than virtual time can (plan_upsets_tcp); then p->fault_n is 0.
 */
bool search_lay_out(struct plan *p, const struct search_schedule *s);
/* How many events that is. */
unsigned search_events(const struct search_schedule *s);

#endif
