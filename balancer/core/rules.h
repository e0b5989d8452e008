/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules at work in one worker: walks the compiled tables of ruleset.h for each query before it is
 * looked up or a server chosen, and for each answer. Nothing here allocates; chance comes from a
 * stream of the balancer's seed. For bal.c alone.
 */
#ifndef EK_BALANCER_RULES_H
#define EK_BALANCER_RULES_H

#include "bal.h"
#include "hooks.h"
#include "lib/arena.h"
#include "lib/drbg.h"
#include "limit.h"
#include "tags.h"

struct rules {
	const struct bal_rules *conf;      /* NULL: there are none */
	const struct bal_conf *bal;
	struct bal_shared *shared;
	const struct bal_hooks *hooks;     /* where some rule is a function */
	uint64_t *failed;                  /* counts its calls that failed */
	struct drbg random;
	uint64_t secret;                   /* of the tables of clients */
	uint64_t *matches[BAL_CHAINS];     /* by rule */
	struct tag_store tags;
	struct bal_ecs_said *ecs;          /* by server and place in the ID table; NULL: none say */
	struct bal_logged *logged;         /* a ring; NULL: no rule logs */
	unsigned log_first, log_n;
	uint64_t not_logged;
};

/* What rules look at. */
struct rule_look {
	int64_t now_ns;
	uint8_t *m;                        /* the message, of len bytes */
	size_t len;
	const uint8_t *name;               /* the question's, in wire form */
	uint16_t name_len, type, class;
	uint16_t id;                       /* the client's */
	const struct ep *client, *local;
	bool tcp;
	bool answer;                       /* it is one, not a query */
};

/* What they said, beside a verdict. */
struct rule_said {
	unsigned pool;
	int64_t delay_ns;
	bool skip_cache;
	uint32_t failure_s;            /* 1 + what a cache keeps a failure for; 0: as it says */
	struct bal_ecs_said ecs;
};

/* What was said of the query in that place; NULL: nothing ever is. */
static inline struct bal_ecs_said *brules_ecs(const struct rules *r, unsigned server,
                                              uint32_t slot)
{
	return r->ecs == NULL ? NULL : &r->ecs[(size_t)server * r->bal->max_outstanding + slot];
}

size_t brules_arena_size(const struct bal_conf *conf);
void brules_init(struct rules *r, struct arena *a, const struct bal_conf *conf,
                struct bal_shared *shared, const uint8_t seed[DRBG_SEED], uint32_t worker);
/*
 * What becomes of the query in d: BAL_NO_VERDICT: it goes on, with RD and CD as rules want them; a
 * BAL_RULE_... verdict else, and d holds the answer. said: as its caller set it, and changed. O(the
 * tests that are made).
 */
enum bal_verdict brules_query(struct rules *r, struct dgram *d, const struct dns_question *q,
                             int64_t now_ns, struct rule_said *said);
/*
 * The query at hand, which is that of brules_query or else the one whose tags were recalled, has an
 * answer. False: rules of that chain drop it. Functions may change its flags. said: as its caller
 * set it, and changed; its pool isn't.
 */
bool brules_answer(struct rules *r, enum bal_chain_kind chain, const struct rule_look *l,
                  struct rule_said *said);

#endif
