/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names and the servers that they went to, for policies that hash them: the unit of chance is then
 * the name, which "even" counts once, and what "policy" asks is whether it stays where it is.
 */
#ifndef EK_JUDGE_NAMES_H
#define EK_JUDGE_NAMES_H

#include "inner.h"

enum { NAME_SETS_MAX = 256 };

struct sight {
	int64_t t_ns;
	uint64_t frame;
	uint16_t balancer, server;
};

struct names {
	struct table by;       /* hash of name and set to index in sight */
	struct sight *sight;
	size_t n, cap, room;   /* room: at most so many */
	uint8_t **set;         /* which servers are up, by bit */
	unsigned *set_group, *set_up, set_n; /* whose they are, and how many servers are up */
	const struct judge *j;
	unsigned *group;       /* by balancer: those of one group send names to the same servers */
	unsigned *starts;      /* by balancer: after so many its group was given to it */
	int *now;              /* by balancer: its set; -1: there was no room for it */
	uint64_t *epoch;       /* by balancer: which epoch of its health now is of, plus 1 */
	uint64_t full;         /* draws whose name or set found no room */
};

enum sighting {
	NAME_NEW,      /* first time among these servers */
	NAME_SAME,     /* again, at the same server */
	NAME_STAYED,   /* first time among these, at the server that it had among others */
	NAME_OTHER,    /* again, at another server */
	NAME_MOVED,    /* first time, at one that was up when it went to another that still is */
	NAME_FULL,
};

struct names *names_new(const struct judge *j);
void names_free(struct names *take_n);
/*
 * A draw with a name, in an epoch whose states are certain. ring: names are on a ring, so sets can
 * be compared. before: where it was seen, for NAME_OTHER and NAME_MOVED. O(sets) for a new name on
 * a ring, O(1) otherwise.
 */
enum sighting names_see(struct names *n, const struct balancer *b, const struct draw *d, bool ring,
                        struct sight *before);
/* How many servers the balancer's last draw that was seen could choose from. */
unsigned names_choice(const struct names *n, const struct balancer *b);

#endif
