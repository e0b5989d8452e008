/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Silences: from the fault after which a node answers nothing to the one that ends it, as the
 * engine tells them, and what is measured of each balancer while they last and after. gone.c keeps
 * them, stop.c and start.c measure and decide detect and back.
 */
#ifndef EK_JUDGE_GONE_H
#define EK_JUDGE_GONE_H

#include "inner.h"
#include "sim/plan/downs.h"

/* What one balancer did during a silence. */
struct stop {
	uint64_t censor;         /* draws elsewhere after which a switch is certain */
	uint64_t since;          /* draws elsewhere in a row */
	uint64_t misrouted;      /* to the dead node, after its death */
	uint64_t late;           /* of those, after the bound */
	uint64_t elsewhere;      /* to others, after the bound */
	int64_t last_ns;         /* the last query to it; NEVER: none since its death */
	uint64_t last_frame;
	int64_t censored_ns;     /* the switch happened before this; NEVER: not seen to */
	int64_t check_lo_ns, check_hi_ns; /* its probes say down; NEVER */
	unsigned check_server;   /* by this server's */
	uint64_t early;          /* draws elsewhere in a row, the last while they surely say up */
	uint64_t early_frame;    /* of the first of them */
	int64_t early_ns;
};

enum { HERD_WINDOW = 50 };

/* What one balancer did after a return. */
struct start {
	double share;            /* that it has to give */
	double level;            /* of the e-processes' alarms */
	bool slow;               /* it may have a part of it until the bound */
	int64_t up_ns;           /* first good answer to a probe; NEVER */
	int64_t first_ns;        /* first query to it; NEVER */
	uint64_t first_frame;
	uint64_t others_before;  /* to others between the bound and that first query */
	int64_t share_ns;        /* from here on its share was looked at; NEVER: not seen */
	uint64_t own, n;         /* queries to it, and all, from there on */
	struct stat_e e;         /* of those */
	uint64_t late_own, late_n; /* the same, after the bound */
	struct stat_e late_e;
	uint64_t window;         /* of the last HERD_WINDOW draws: to it, a bit each */
	uint64_t herd;           /* most of any HERD_WINDOW draws in a row after the first */
	unsigned flaps;          /* times it was down again */
};

/* The same, of the most that it got in a row: overshoot. */
struct over {
	uint64_t window;         /* of the last HERD_WINDOW draws: to it, a bit each */
	uint64_t n, after;       /* draws; of those, after the bound */
	unsigned most;           /* of any window */
	uint64_t frame;          /* where that ended */
	int64_t t_ns;
};

/* What clients saw of a balancer that was away. */
struct away {
	uint64_t asked, answered, late; /* queries that went to it first; not answered in time */
	int64_t slowest_ns;      /* of those that were answered */
	unsigned node, first_node;
	uint64_t first_frame;    /* of the first late one */
	int64_t first_ns;        /* NEVER */
	int64_t up_ns;           /* after its return, the first that it answered; NEVER */
	uint64_t failed;         /* after the bound, before that */
};

/* One expectation that asks about a silence; one of these, by balancer but for away. */
struct watch {
	const struct plan_expect *e;
	int64_t bound_ns;        /* when what is claimed has to be so, without slack */
	struct stop *stop;
	struct start *start;
	struct over *over;
	struct away *away;
};

struct gone {
	unsigned fault;          /* index in the plan */
	int end;                 /* the one that ends it; PLAN_NONE: not told */
	int node;
	int64_t from_ns, to_ns;                /* the instant of death, as an interval */
	int64_t back_from_ns, back_to_ns;      /* of the return; INT64_MAX: none */
	int64_t over_ns;                       /* nothing after this counts */
	int64_t full_ns;         /* before that others are away, and its share is another */
	uint64_t lost;           /* queries planned while it lasts that got no answer */
	uint64_t misrouted;      /* client queries to it */
	uint64_t answers;        /* that it gave all the same */
	uint64_t own_before, all_before; /* draws before, to it and in all */
	bool *counted;           /* by balancer: its draws before are in those */
	struct watch *watch;
	size_t watch_n, watch_cap;
	unsigned up_wanted;      /* balancers whose checks haven't found it up again */
};

struct list {
	uint32_t *at;
	size_t n, cap;
};

struct gones {
	struct gone *gone;       /* in the order of telling */
	size_t n, cap;
	int *of_fault;           /* by the plan's faults; -1 */
	struct list *of_node;    /* by node, in the order of the plan's faults */
	struct list *quiet;      /* by node: those that aren't long over */
	int64_t way_ns;          /* from node to node, at most */
	struct downs *downs;     /* the plan's */
};

/* The node's silences, in the order of the plan's faults; NULL after the last one. */
struct gone *gone_of_node(const struct judge *j, int node, size_t i);
/* What e watches of it. */
struct watch *gone_watch(const struct gone *g, const struct plan_expect *e);

/* stop.c, start.c: the watch's beginning, a draw, and changes of its servers' states. */
void stop_init(struct judge *j, struct gone *g, struct watch *w);
void stop_draw(const struct gone *g, struct stop *o, const struct draw *d, bool own,
               int64_t deadline_ns);
void stop_change(const struct gone *g, struct stop *o, unsigned server, int64_t lo_ns,
                 int64_t hi_ns);
void start_init(struct judge *j, struct gone *g, struct watch *w);
/* The return is told. */
void start_back(const struct judge *j, const struct gone *g, struct watch *w);
/*
 * early.c: whether the balancer turned away from the dead before its checks can have told it; only
 * when all draws are settled.
 */
bool stop_early(const struct judge *j, const struct gone *g, const struct watch *w,
                const struct balancer *b);
/*
 * A query that came in at t_ns and went nowhere, while every other server is silent: a balancer
 * that used this one would have sent it there.
 */
void stop_nowhere(const struct gone *g, struct stop *o, int64_t t_ns, int64_t deadline_ns);
void start_nowhere(const struct gone *g, struct start *o, int64_t t_ns, int64_t deadline_ns);
/*
 * True when the balancer was silent itself at some time between these, so it can't show anything.
 */
bool balancer_away(const struct judge *j, const struct balancer *b, int64_t from_ns, int64_t to_ns);
void start_draw(const struct gone *g, struct start *o, const struct draw *d, bool own,
                int64_t deadline_ns);

/* overshoot.c */
void over_init(struct judge *j, struct watch *w);
int64_t over_bound(const struct judge *j, const struct plan_expect *e);
void over_draw(const struct gone *g, struct over *o, const struct draw *d, bool own,
               int64_t deadline_ns);
/* away.c */
void away_init(struct watch *w);

/* Client queries that went to fault's recursor from its death to its return. */
uint64_t fault_misrouted(const struct judge *j, unsigned fault);
/* How many that are at least: or the fault didn't happen. 0 when nothing is sure. */
uint64_t fault_misrouted_least(const struct judge *j, unsigned fault);
/* Answers of the dead. */
uint64_t fault_answers(const struct judge *j, unsigned fault);

/* JSON and text that both write. */
json_t *since_json(int64_t t_ns, int64_t from_ns);
void tell_bound(struct text *t, int64_t bound_ns, int64_t slack_ns);
/* (1 - w)^n <= level: so many draws that all went elsewhere can't be chance. */
bool enough_elsewhere(double w, uint64_t n, double level);

#endif
