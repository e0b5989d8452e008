/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How records reach the judge: one at a time, through judge_tap, whether a pcap or the virtual
 * engine's links produce them. A node's records come in the order in which its interface saw them;
 * how different nodes' records interleave doesn't matter. Events may come before, after or between.
 */
#ifndef EK_JUDGE_TAP_H
#define EK_JUDGE_TAP_H

#include <jansson.h>

#include "sim/judge/judge.h"
#include "sim/net/frame.h"

struct judge;

struct judge_tap {
	int64_t t_ns;        /* from t = 0 */
	uint64_t number;     /* of the frame in its node's capture, from 1 */
	unsigned node;       /* index into plan.node */
	const struct frame *frame;
};

/*
 * p is borrowed for the judge's life. Returns NULL with one line in error when the plan's load
 * can't be generated.
 */
struct judge *judge_new(const struct plan *p, char error[JUDGE_ERROR_TEXT]);
void judge_free(struct judge *take_j);
/* One frame at a node's interface, in either direction. O(1), no allocation but for growth. */
void judge_tap(struct judge *j, const struct judge_tap *t);
/* One line of events.jsonl. What is broken in it makes the run INVALID. */
void judge_event(struct judge *j, const json_t *event);
/* A reason, beyond what taps and events tell, why the run is INVALID. printf's arguments. */
void judge_invalid(struct judge *j, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* All is told: the verdict document, a new reference. Once. */
json_t *judge_finish(struct judge *j);

#endif
