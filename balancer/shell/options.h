/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line: dnsdist's flags, in any order, and two of our own. */
#ifndef EK_BALANCER_OPTIONS_H
#define EK_BALANCER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "io.h"
#include "lib/addr.h"

enum { OPTIONS_LIST_MAX = 256, OPTIONS_WORKERS_MAX = 64, OPTIONS_GO_ON = -1 };

struct options {
	const char *config;
	const char *user, *group;     /* name or number; NULL: stay as started */
	bool check_config, verbose, seeded;
	bool client;                  /* --client or --execute: talk to a balancer's console */
	const char *command;          /* --execute; NULL: read commands from standard input */
	const char *key;              /* --setkey; NULL: the configuration's */
	bool console_set;             /* --client ADDR */
	struct ep console;
	uint64_t seed;                /* with seeded: --simulation-seed */
	unsigned workers;
	bool workers_given;           /* then all take queries from the start */
	enum io_choice io;            /* --io */
	unsigned front_n, acl_n;
	struct ep front[OPTIONS_LIST_MAX];
	struct prefix acl[OPTIONS_LIST_MAX];
};

/* Reads argv. Returns OPTIONS_GO_ON, or the status to exit with: all has been said. */
int options_parse(struct options *o, int argc, char **argv);

#endif
