/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first look at a capture: who the balancers are, which file tells best of each of their sides,
 * whether there are health checks, and how the files' clocks differ. Pure; one size for any
 * capture.
 */
#ifndef EK_FOREIGN_SURVEY_H
#define EK_FOREIGN_SURVEY_H

#include "chain.h"
#include "clock.h"
#include "who.h"

enum { SURVEY_FILES = 8, SURVEY_CHECKS_LEAST = 3, SURVEY_GAPS = 20 };

/* Queries by file: a link between two hosts is in a few files at most. */
struct survey_files {
	unsigned n;
	struct {
		uint32_t file;
		uint64_t queries;
		int64_t check_ns;    /* the last health check; INT64_MIN */
	} by[SURVEY_FILES];
};

/* What one balancer sends to one backend. */
struct survey_pair {
	uint64_t checks;         /* queries that ask what health checks do, in any file */
	uint32_t gap_n[SURVEY_GAPS]; /* between two of them, by their logarithm in ms */
	uint64_t gap_ms[SURVEY_GAPS];
	struct survey_files files;
};

/* From and to when; last_ns < first_ns: never. */
struct survey_span {
	int64_t first_ns, last_ns;
};

struct survey {
	struct who *who;         /* grows by balancers that aren't named */
	const struct check_question *check; /* by backend */
	bool named;              /* nobody but who is there already is a balancer */
	uint64_t messages, related;
	uint64_t strangers;      /* queries to backends of nobody that is a balancer */
	uint64_t no_room;        /* of those, because there are too many balancers */
	int64_t first_ns, last_ns; /* of what is related */
	struct chain_file *file; /* by file; the caller's */
	struct clocks clocks;
	struct survey_pair pair[WHO_BALANCERS][WHO_BACKENDS];
	struct survey_files front[WHO_BALANCERS];
	int home[WHO_BALANCERS]; /* the file that has most of it; -1: none */
};

/*
 * s is zeroed but for named, and 1 MB; file has a place for each of file_n captures. a: room of
 * clocks_arena_size().
 */
void survey_init(struct survey *s, struct arena *a, struct who *who,
                 const struct check_question *check, uint32_t file_n);
void survey_add(struct survey *s, const struct capture_message *m);
/* There are no more. What follows is asked after that. */
void survey_end(struct survey *s);

/*
 * The file that tells of that pair: the one that has most of the balancer, its front too, so that
 * its choices come by one clock; unless another has over one in a hundred queries more. -1: none
 * has any.
 */
int survey_file(const struct survey *s, unsigned balancer, unsigned backend);
/* How long it mostly is from one health check to the next; 0: nobody knows. */
int64_t survey_interval_ns(const struct survey_pair *p);
/*
 * Health checks of that pair are in the capture: some, and, unless they are lazy, regular ones,
 * for clients may ask the same.
 */
bool survey_checked(const struct survey *s, unsigned balancer, unsigned backend, bool lazy);
/*
 * The one file that has all of the balancer's pairs, and its front with about as many queries as
 * it sends on; -1: nobody can say which query was sent on as which.
 */
int survey_front(const struct survey *s, unsigned balancer);

#endif
