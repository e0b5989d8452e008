/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers that rules delay: kept with their bytes until they are due, at most BAL_DELAYED_MAX, and
 * what is known of delays of queries that are out. For bal.c alone.
 */
#ifndef EK_BALANCER_LATE_H
#define EK_BALANCER_LATE_H

#include "conf.h"
#include "lib/arena.h"
#include "lib/dgram.h"
#include "lib/heap.h"

enum { LATE_BYTES = 4096 };     /* of one answer; a longer one isn't delayed */

struct late_answer {
	struct ep client, local;
	uint16_t len;
	uint8_t verdict;
	uint8_t data[LATE_BYTES];
};

struct late {
	struct heap due;              /* what: place in answer */
	struct late_answer *answer;   /* NULL: no rule delays */
	uint32_t *free;               /* places, the last free_n of which are free */
	uint32_t free_n, touched;
	uint32_t *asked_ms;           /* by server and place in the ID table; NULL: no rule asks */
	uint32_t each;                /* of one server */
};

/* 4 KiB of zero pages for each delayed answer, touched only where used; 0 without such a rule. */
size_t late_arena_size(const struct bal_conf *conf);
void late_init(struct late *l, struct arena *a, const struct bal_conf *conf);
/* The query in that place is to be answered so much later. */
static inline void late_ask(struct late *l, unsigned server, uint32_t slot, int64_t delay_ns)
{
	if (l->asked_ms != NULL)
		l->asked_ms[(size_t)server * l->each + slot] = (uint32_t)(delay_ns / 1000000);
}
/* The query is in another place, too, for a second try. */
static inline void late_ask_again(struct late *l, unsigned server, uint32_t slot, unsigned other,
                                  uint32_t second)
{
	if (l->asked_ms != NULL)
		l->asked_ms[(size_t)other * l->each + second] =
			l->asked_ms[(size_t)server * l->each + slot];
}
static inline int64_t late_asked_ns(const struct late *l, unsigned server, uint32_t slot)
{
	return l->asked_ms == NULL ? 0 :
	       (int64_t)l->asked_ms[(size_t)server * l->each + slot] * 1000000;
}
/* Of a query over TCP, which keeps it itself: a reload may have taken away whatever delays. */
static inline int64_t late_kept_ns(const struct late *l, int64_t delay_ns)
{
	return l->answer != NULL ? delay_ns : 0;
}
/*
 * Keeps the answer in d, whose verdict would have been v, until due_ns. False: it is sent at
 * once, because the table is full or the answer too long. O(log delayed).
 */
bool late_keep(struct late *l, const struct dgram *d, uint8_t verdict, int64_t due_ns) MUST_CHECK;
/* For reloads: to, which is fresh, takes over what from delays. */
void late_move(struct late *to, const struct late *from);
static inline void late_move_asked(struct late *to, unsigned server, uint32_t slot,
                                   const struct late *from, unsigned old_server, uint32_t old_slot)
{
	if (to->asked_ms != NULL && from->asked_ms != NULL)
		to->asked_ms[(size_t)server * to->each + slot] =
			from->asked_ms[(size_t)old_server * from->each + old_slot];
}
/* Writes what is due at now_ns into d[0..max), verdicts included; data and cap are the caller's. */
unsigned late_take(struct late *l, int64_t now_ns, struct dgram *d, unsigned max);
/* When the first is due; INT64_MAX: never. */
static inline int64_t late_due_ns(const struct late *l)
{
	return l->answer == NULL ? INT64_MAX : heap_first(&l->due);
}

#endif
