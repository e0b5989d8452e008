/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What "policy" asks: was each server chosen by the configured rule? For leastOutstanding and
 * firstAvailable each balancer has a track: what it knew when a draw was made, rebuilt from its own
 * capture. When that was isn't seen, only when the query came in and when it left; so counts and
 * buckets are ranges, and a choice is wrong only when no moment and no order in between would make
 * it right. For whashed and chashed there are tables of names. Chance and turns are even's.
 */
#ifndef EK_JUDGE_RULE_H
#define EK_JUDGE_RULE_H

#include "names.h"

enum { RULE_DRAWS_LEAST = 30 }; /* a coin passes as many that tell with 1e-9 */

/* What there is to say about one choice. */
struct opinion {
	enum opinion_is { OPINION_OPEN, OPINION_RIGHT, OPINION_WRONG } is;
	bool telling;          /* right, and some other server that was up would have been wrong */
	bool tie;              /* right, and so would another have been */
	bool spent;            /* wrong: its qps limit was spent */
	bool count;            /* wrong by counts of what is outstanding, which are: */
	uint16_t better;       /* the server that had to come before it */
	uint64_t own, others;  /* at least so many at the chosen, at most so many at the better */
};

/* ---- least.c: how many queries are outstanding at each server ---- */

/* A forward, until it is certainly over. */
struct flight {
	int64_t out_ns;
	uint64_t key;          /* of its query at the front; 0: it may be another's */
	uint16_t server;
	bool maybe_over, over; /* counted as such */
	bool tcp;              /* its time may be a longer one */
};

/* A flight is over, or may be. */
struct over {
	int64_t t_ns;
	uint64_t flight;
};

struct least {
	struct ring flight;    /* by the time at which they left; numbered as its draws */
	struct ring answer;    /* struct over: an answer came */
	struct ring relay;     /* struct over: it went on to the client */
	struct ring late;      /* struct over: an answer came long ago, it isn't known whose */
	uint64_t sent_at, maybe_at, over_at; /* flights looked at: as sent, as timed out */
	uint64_t *told, *sent, *maybe_over, *over, *soon; /* by server */
	struct table by_key;   /* key at the front to flight */
	uint64_t tcp_slow;     /* flights over TCP that were out longer than UDP's time */
	int64_t lag_most;      /* longest that a query was in the balancer */
	int64_t maybe_ns, over_ns; /* after a flight left it may be, is timed out */
};

/* ---- first.c: buckets of qps limits ---- */

struct first {
	int64_t *least_ns, *most_ns; /* by server: between these the bucket will be full again */
	struct ring recent;    /* draws that are told, and left later than the last one came in */
	unsigned starts;       /* of the program, so far: its buckets were full then */
	uint32_t *behind;      /* by server, of recent: may have been made after this one */
};

struct track {
	struct least least;
	struct first first;
	bool first_wanted;
	uint32_t *ahead;       /* by server: told later, and may have been made before this one */
	int64_t shared_until_ns; /* some draw told so far left then and may be another query's */
};

/* A draw is being judged: its query was in the balancer from in_ns to out_ns. */
struct moment {
	const struct judge *j;
	const struct balancer *b;
	struct track *k;
	int64_t in_ns, out_ns;
	uint16_t server;
};

struct track *track_new(const struct judge *j, const struct balancer *b);
void track_free(struct track *take_k);
size_t track_retained(const struct track *k);
/* A query is forwarded; f: its front, or NULL. Each draw's once, in their order. */
void track_forward(struct balancer *b, const struct judge_tap *t, const struct front *f,
                   unsigned server);
/* The answer to that forward came. */
void track_answer(const struct judge *j, struct balancer *b, int64_t t_ns, uint64_t flight);
/* An answer goes to a client. */
void track_relay(struct balancer *b, int64_t t_ns, uint64_t key);
/* A settled draw, before it counts as settled: what to think of it. */
struct opinion track_draw(const struct judge *j, struct balancer *b, const struct draw *d);

void least_init(struct least *l, const struct judge *j, const struct balancer *b);
void least_free(struct least *l);
/* Counts what was sent and over until its query came in, which never decreases; and the draw. */
void least_take(struct least *l, const struct draw *d, int64_t slack_ns);
struct opinion least_think(const struct moment *m);

void first_init(struct first *f, unsigned server_n);
void first_free(struct first *f);
/* Which draws that are told may have been made after this one. First of all. */
void first_look(const struct moment *m);
/* Takes the draw's token. clear: all that may have come before is known. */
void first_take(const struct moment *m, bool clear);
struct opinion first_think(const struct moment *m);

/* ---- rule.c ---- */

enum { OFFENCES_MAX = 5 };

/* A choice that was wrong. */
struct offence {
	int64_t t_ns, before_ns;
	uint64_t frame, before_frame; /* before_frame 0: none */
	unsigned node, before_node;
	struct text what;
};

/* Of a balancer's draws within the window. */
struct rule_count {
	uint64_t draws, telling, ties, open, left_out, wrong, down;
	uint64_t names, stayed; /* names anew; of those, rightly where they were */
};

struct rule {
	struct judge *j;
	const struct plan_expect *e;
	enum bal_policy policy;        /* of the balancers, which all have the same */
	struct plan_expect all;        /* for even: the same, with servers named */
	struct even *even;             /* it counts, where the policy is chance or turns */
	struct names *names;           /* where it goes by names */
	struct rule_count *count;      /* by balancer */
	unsigned offence_n;
	struct offence offence[OFFENCES_MAX];
};

/* share.c: policy's verdict where even counted, its title and claim told. */
void expect_chance(struct even *v, struct finding *f);

#endif
