/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of a foreign capture's judging share; see foreign.h. */
#ifndef EK_FOREIGN_INNER_H
#define EK_FOREIGN_INNER_H

#include "core/ledger.h"
#include "core/survey.h"
#include "foreign.h"
#include "sim/capture/capture.h"
#include "sim/judge/tap.h"

/* A time that a balancer had a server out. */
struct foreign_epoch {
	const struct judge_change *down, *up; /* up NULL: not in the capture */
};

struct foreign {
	const struct foreign_options *o;
	struct arena arena;
	struct who who;
	struct check_question check[WHO_BACKENDS];
	char balancer_name[WHO_BALANCERS][BACKEND_NAME_TEXT];
	uint16_t port[WHO_BACKENDS + 1];
	unsigned port_n;
	struct survey *survey;
	uint32_t *tap;                   /* by file: the first of the pieces that it is one of */
	uint32_t chained;                /* how many files go on with another one */
	struct ledger *ledger;
	struct clock_file *clock;        /* by file */
	int64_t *ahead_ns;               /* by file */
	int pair_file[WHO_BALANCERS][WHO_BACKENDS];
	int front_file[WHO_BALANCERS];
	struct plan *plan;
	struct judge *judge;
	struct survey_span window[WHO_BALANCERS]; /* unix time: all that it asks is there */
	uint64_t outside;                /* messages out of these */
	int64_t last_ns[WHO_BALANCERS];  /* of what was tapped */
	uint64_t taken;                  /* messages of the second pass that are related */
	bool full;                       /* the judge holds all that it may */
	uint64_t backwards;              /* packets that were behind the one before */
	uint64_t timeless;               /* messages with a time too far from the others */
	struct foreign_epoch *epoch;     /* those that echo no other */
	size_t epoch_n;
	uint64_t epochs_more;            /* changes that found no room */
	/* Kept of the capture for the document. */
	uint64_t packets, cut, tcp_lost;
	char **trouble;                  /* by file; NULL: none */
	bool by_checks, by_traffic;      /* some server's epochs are */
	bool checked[WHO_BALANCERS][WHO_BACKENDS]; /* this one's are by checks */
	bool back_only;                  /* some balancer's front isn't there, or doesn't fit */
};

/* plan.c: the plan that the judge judges by. Balancers first, then servers. */
struct plan *foreign_plan(struct foreign *f);
/* How the server's epochs are known, when o->epochs says nothing else. */
bool foreign_by_traffic(const struct foreign *f, unsigned balancer, unsigned backend);
/* Policies whose draws say who is up: chance and turns. */
bool foreign_draws(enum bal_policy p);

/* epochs.c: puts the judge's changes together. */
void foreign_epochs_init(struct foreign *f);

/* doc.c: what the judge's document says of a lab goes, what a capture says comes. */
void foreign_doc(struct foreign *f, json_t *doc);
/* slices.c: out of the document's series. A new reference. */
json_t *foreign_slices(const json_t *series);
/* limits.c: what can't be concluded, as sentences; verdicts that go too far are taken back. */
json_t *foreign_limits(struct foreign *f, json_t *doc);

#endif
