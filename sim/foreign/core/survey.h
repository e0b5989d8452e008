/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first look at a capture: who the balancers are, which file tells best of each of their sides,
 * whether there are health checks, and how the files' clocks differ. Pure; one size for any
 * capture.
 */
#ifndef EK_FOREIGN_SURVEY_H
#define EK_FOREIGN_SURVEY_H

#include "clock.h"
#include "who.h"

enum { SURVEY_FILES = 8, SURVEY_CHECKS_LEAST = 3 };

/* Queries by file: a link between two hosts is in a few files at most. */
struct survey_files {
	unsigned n;
	struct {
		uint32_t file;
		uint64_t queries;
	} by[SURVEY_FILES];
};

/* What one balancer sends to one backend. */
struct survey_pair {
	uint64_t checks;         /* queries that ask what health checks do, in any file */
	struct survey_files files;
};

/* When the messages of a file begin and end; last_ns < first_ns: it has none. */
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
	struct survey_span *file; /* by file; the caller's */
	struct clocks clocks;
	struct survey_pair pair[WHO_BALANCERS][WHO_BACKENDS];
	struct survey_files front[WHO_BALANCERS];
};

/*
 * s is zeroed, and 1 MB; file has a place for each of file_n captures. a: room of
 * clocks_arena_size().
 */
void survey_init(struct survey *s, struct arena *a, struct who *who,
                 const struct check_question *check, uint32_t file_n);
void survey_add(struct survey *s, const struct capture_message *m);

/* The file with the most of these queries, the first of those; -1: none has any. */
int survey_best(const struct survey_files *f);
/* Queries that the best file has. */
uint64_t survey_most(const struct survey_files *f);
/* Health checks of that pair are in the capture. */
bool survey_checked(const struct survey *s, unsigned balancer, unsigned backend);
/*
 * The one file that has all of the balancer's pairs, and its front with about as many queries as
 * it sends on; -1: nobody can say which query was sent on as which.
 */
int survey_front(const struct survey *s, unsigned balancer);

#endif
