/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of "even" share: the pools of equal probabilities that draws are counted in, each
 * balancer's stretch of time in which its choice is among the same servers, and what is asked of
 * the order of draws. even.c fills it; turns.c and independent.c look at draws, share.c decides.
 */
#ifndef EK_JUDGE_EVEN_H
#define EK_JUDGE_EVEN_H

#include "names.h"

enum { LEFT_OUT = 255 };
STATIC_MUST((int)PLAN_EXPECT_NODES_MAX < (int)LEFT_OUT);

/* Counts by kind. */
struct set {
	uint64_t total;
	uint64_t *count;
};

/* All stretches in which the kinds, which are the named nodes, have these probabilities. */
struct pool {
	double *p;               /* by kind; 0: it isn't eligible */
	unsigned n;              /* kinds that are eligible */
	bool full;               /* all are */
	struct set all;
	struct set *by_balancer;
	struct stat_e e;
	struct pool *next;       /* with the same hash of p */
};

/* A stretch of one balancer's time in which no server's state changes, within the window. */
struct stretch {
	uint64_t epoch;          /* of the balancer's health */
	bool open;
	bool certain;
	int64_t from_ns;
	int32_t order;           /* orderedWrandUntag: of the servers that may be chosen */
	struct pool *pool;       /* NULL: what is even isn't known */
	uint64_t *surely, *maybe;/* by server: turns of the stretch */
};

/* A balancer's draws in the full pool: is it the first kind or not, in a row. */
struct row {
	uint64_t n, ones, switches;
	uint8_t last;
};

/* Kinds by draw, of balancers that are compared, from draw base on. */
struct agree {
	unsigned n;              /* balancers */
	uint64_t base;
	uint8_t **kind;          /* of each balancer; LEFT_OUT */
	uint64_t *next;          /* draw that comes next; below base: its draws aren't looked at */
	size_t *cap;
	uint64_t *both, *same;   /* of each pair: draws of both, that agree */
};

/* What a balancer sent to servers that were down, or not to be used yet. */
struct ineligible {
	uint64_t n, frame;       /* frame, node and time of the first */
	bool order;              /* it wasn't down: one of a lower order was up */
	unsigned server_node;
	int64_t t_ns;
};

struct even {
	struct judge *j;
	const struct plan_expect *e;
	unsigned kind_n;
	uint8_t **kind;          /* by configuration and server; kind_n: it isn't named */
	struct pool **pool;
	size_t pool_n, pool_cap;
	struct table by_p;       /* hash of p to index in pool */
	struct stat_e e_all, *e_by_balancer;
	struct stretch *stretch; /* by balancer */
	struct row *row;
	struct agree agree;
	struct ineligible *ineligible;
	struct names *names;     /* whashed: names are what is drawn; or NULL */
	uint64_t left_out, spread_max;
	uint64_t unsure;         /* of those left out: struct draw */
	unsigned spread_balancer;
	struct share *share;     /* by kind, of share_set */
	const struct set *share_set;
};

/* turns.c: for roundrobin: how far a stretch's servers' counts are apart, at the least. */
void turns_open(struct even *v, const struct balancer *b, struct stretch *s);
void turns_draw(struct even *v, const struct balancer *b, struct stretch *s, const struct draw *d);
void turns_close(struct even *v, const struct balancer *b, struct stretch *s, int64_t until_ns);

/* share.c: FAIL with its reason when some query went to a server that must not have got any. */
bool even_ineligible(struct even *v, struct finding *f);
/* How many there were; *first: the first balancer that has any, unless NULL. */
uint64_t even_ineligible_n(const struct even *v, unsigned *first);

/* independent.c: a draw's kind, or LEFT_OUT, in the order of each balancer's queries. */
void agree_init(struct agree *a, unsigned n);
void agree_free(struct agree *a);
void agree_add(struct agree *a, unsigned balancer, uint8_t kind);
void row_add(struct row *r, uint8_t kind);
/* True, or false with the reason in t. o: the full pool, or NULL. */
bool even_independent(struct even *v, const struct pool *o, struct text *t);

#endif
