/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What counts, of a capture, and what became of it: each packet once, though two files or two
 * interfaces have it; queries matched with their answers, by backend. Pure; memory from an arena.
 *
 *	copy        a packet that was there already. What a pair of balancer and backend says to
 *	            one another is taken from one file (survey_file). In that file a query that
 *	            comes again while it waits for its answer, or an answer right after itself,
 *	            is a copy: nobody uses an ID twice at once (RFC 5452). Clients ask again with
 *	            the one they had, but not within 10 ms
 *	unanswered  a query without an answer within the time-out
 *	late        one whose answer came after that
 *	open        one of the capture's last moments; nothing can be said of it
 *	unasked     an answer to no query: the capture lacks packets, or begins in the middle
 */
#ifndef EK_FOREIGN_LEDGER_H
#define EK_FOREIGN_LEDGER_H

#include "lib/arena.h"
#include "lib/hist.h"
#include "lib/lru.h"
#include "who.h"

enum { LEDGER_OPEN = 1 << 18 };
#define LEDGER_KEEP_NS INT64_C(10000000000) /* answers are looked for so long */

/* One backend. queries = answered + late + unanswered + open + forgotten. */
struct ledger_server {
	uint64_t queries, answered, late, unanswered, open;
	uint64_t forgotten;      /* had to make room for others */
	uint64_t failed;         /* answers with SERVFAIL */
	uint64_t answers_unasked;
	uint64_t checks, checks_unanswered;
	struct hist times;       /* ns, of answers in time and late ones */
};

/* A query that waits, or was answered. */
struct ledger_query {
	int64_t t_ns;
	int64_t answer_ns;       /* INT64_MIN: none yet */
	uint16_t backend;
	bool check;
};

struct ledger {
	const struct who *who;
	const struct check_question *check; /* by backend */
	const int *pair_file;    /* by balancer and backend; -1: none */
	const int *front_file;   /* by balancer */
	int64_t timeout_ns;
	int64_t first_ns;        /* answers to what was asked before don't count as unasked */
	int64_t last_ns;
	uint64_t copies_of_files, copies;
	struct lru open;
	struct ledger_query *query; /* by slot */
	struct ledger_server server[WHO_BACKENDS + 1]; /* the last: clients' to balancers */
};

size_t ledger_arena_size(void);
/* l is zeroed; what it points to is set by the caller. */
void ledger_init(struct ledger *l, struct arena *a);
/* False: it doesn't count. p: whose it is, of a balancer. */
bool ledger_add(struct ledger *l, const struct capture_message *m, const struct party *p);
/* There are no more. Once. */
void ledger_end(struct ledger *l);

#endif
