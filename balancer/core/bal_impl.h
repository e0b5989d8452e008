/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the balancer core share: bal.c judges datagrams, timed.c does what is due,
 * bal_count.c says what was counted.
 */
#ifndef EK_BALANCER_BAL_IMPL_H
#define EK_BALANCER_BAL_IMPL_H

#include "again.h"
#include "bal.h"
#include "cache.h"
#include "idtable.h"
#include "late.h"
#include "lib/drbg.h"
#include "policy.h"
#include "rules.h"
#include "shared.h"

struct bal {
	const struct bal_conf *conf;
	struct bal_shared *shared;
	int64_t now_ns;            /* of the call at hand, never decreasing */
	bool repairs;              /* answers are changed, as the configuration wants it */
	int64_t delay_ns;          /* of the datagram at hand: its answer goes out so much later */
	uint64_t batch;            /* number of the batch: each policy looks once who is up */
	struct policy *policy;     /* by pool */
	struct idtable out;
	struct cache cache;
	struct again again;
	struct rules rules;
	struct late late;
	struct drbg random;
	uint64_t count[BAL_VERDICTS];
	uint64_t received;
	uint64_t timeouts;
	struct bal_counts counts;
	struct bal_server_counts *server;
	struct bal_server_counts gone; /* of servers that have left */
	struct tcp *tcp;           /* NULL: none */
};

/* ---- bal.c ---- */

/* The policy of a pool, which has seen who is up in this batch. */
struct policy *bal_policy(struct bal *b, unsigned pool);
/*
 * The query in d, whose peer is its client, is q's, which is out to server from now on: what that
 * server is to know goes into it, if there is room. ecs: what rules say of that.
 */
void bal_send_to(struct bal *b, struct dgram *d, unsigned server, struct idt_query *q,
                 const struct bal_ecs_said *ecs);
/* q is out no more; hold: what it was is still wanted. */
void bal_settle(struct bal *b, unsigned server, struct idt_query *q, bool hold);
/* Makes d, an answer to q, its client's. */
void bal_give_back(struct dgram *d, const struct idt_query *q);
/* Whether q's client still waits; after this nobody is owed anything for its other try. */
bool bal_is_owed(const struct bal *b, unsigned server, const struct idt_query *q);

/* ---- timed.c ---- */

/* Time goes on; what nobody answered in time ends. */
void bal_begin(struct bal *b, int64_t now_ns);

#endif
