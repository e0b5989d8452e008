/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How records reach the judge: one at a time, through judge_tap, whether a pcap or the virtual
 * engine's links produce them. A node's records come in the order in which its interface saw them,
 * and all nodes' together in the order of time, but for JUDGE_SKEW_NS: the judge decides about what
 * is that far behind, and forgets it. Events come when they happen, 'start' first; those that tell
 * of the whole run (wire, load, node, end) may come at the end. What is in files is told events
 * first, as their faults' times are needed from those times on.
 */
#ifndef EK_JUDGE_TAP_H
#define EK_JUDGE_TAP_H

#include <jansson.h>

#include "lib/dns.h"
#include "sim/judge/judge.h"
#include "sim/net/frame.h"

struct judge;

/* A tap may come this much behind another node's. */
#define JUDGE_SKEW_NS INT64_C(1000000000)

/* A DNS message with one question, and its hash, which nobody needs to make twice. */
struct judge_message {
	const uint8_t *m;    /* borrowed */
	size_t len;
	struct dns_question q;
	uint64_t question;   /* hash of name (case folded), type and class */
	uint16_t id;
	bool answer;         /* QR */
};

/* False when m[0..len) isn't one. O(len of the question). */
bool judge_message_read(struct judge_message *msg, const uint8_t *m, size_t len);

struct judge_tap {
	int64_t t_ns;        /* from t = 0 */
	uint64_t number;     /* of the frame in its node's capture, from 1 */
	unsigned node;       /* index into plan.node */
	const struct frame *frame; /* taken apart; the bytes before its payload aren't needed */
	/*
	 * A UDP frame's payload, read already: a frame that is tapped at both its ends is then read
	 * once. With a TCP frame: a whole message of its stream, in place of segments. NULL: the
	 * judge reads it itself.
	 */
	const struct judge_message *message;
};

/*
 * p is borrowed for the judge's life. Returns NULL with one line in error when the plan's load
 * can't be generated.
 */
struct judge *judge_new(const struct plan *p, char error[JUDGE_ERROR_TEXT]);
void judge_free(struct judge *take_j);
/* One frame at a node's interface, in either direction. O(1), no allocation but for growth. */
void judge_tap(struct judge *j, const struct judge_tap *t);
/*
 * What follows is for captures that no engine made. Nothing was promised, so there are no events,
 * and a frame's number is JUDGE_FILE_SHIFT times its file's and the packet's in it. Before any tap.
 */
enum { JUDGE_FILE_SHIFT = 44 };
void judge_foreign(struct judge *j, const char *const *file);
/*
 * Of this balancer only the side of the servers is in the capture: each forward is a draw of its
 * own, made at most lag_ns before it left. Who asked, and in which order, isn't known.
 */
void judge_back_only(struct judge *j, unsigned node, int64_t lag_ns);
/*
 * Of the balancer's servers with check mode BAL_CHECK_UP no health checks are in the capture: which
 * of them are up is taken from the queries that they get; and of the others those that are quiet
 * all the same are found (quiet.c). level: the probability that a right balancer seems to have
 * taken one of them out, over all of the capture.
 */
void judge_by_traffic(struct judge *j, unsigned node, double level);
/* One line of events.jsonl. What is broken in it makes the run INVALID. */
void judge_event(struct judge *j, const json_t *event);
/* A reason, beyond what taps and events tell, why the run is INVALID. printf's arguments. */
void judge_invalid(struct judge *j, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * How many records of queries, probes and so on the judge remembers: what is in flight, and what
 * its deadline was a few seconds ago. It doesn't grow with the run's length.
 */
size_t judge_retained(const struct judge *j);
/* All is told: the verdict document, a new reference. Once. */
json_t *judge_finish(struct judge *j);

/* What a change is known from: health checks, queries, or that no health checks came. */
enum judge_by { JUDGE_BY_CHECKS, JUDGE_BY_TRAFFIC, JUDGE_BY_ABSENCE };

/* A server's state as a balancer knew it changed, somewhere within lo_ns ... hi_ns. */
struct judge_change {
	int64_t lo_ns, hi_ns;
	uint16_t balancer;   /* which of them, in the plan's order */
	uint16_t server;     /* of its configuration */
	bool up;
	uint8_t by;          /* enum judge_by */
	uint32_t unanswered; /* by traffic, down: the last queries to it, while it was quiet */
};

/* The changes of a foreign capture, after judge_finish; more: those that found no room. */
enum { JUDGE_CHANGES_MAX = 1 << 13 };
const struct judge_change *judge_changes(const struct judge *j, size_t *n, uint64_t *more);
/* Taps that came too late to be in order. */
uint64_t judge_disorder(const struct judge *j);

#endif
