/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The console's Lua: one state for all connections, in lib/host/luabox's bounds, so that no command
 * takes for ever or fills the memory. What a command reads comes from a snapshot of the counters;
 * what it changes goes through the functions in struct admin, which the shell hands over between
 * threads.
 */
#ifndef EK_BALANCER_COMMAND_H
#define EK_BALANCER_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "stats.h"
#include "top.h"

enum {
	COMMAND_STEPS_MAX = 20000000,    /* of Lua's machine, for one command */
	COMMAND_MEMORY_MAX = 64 << 20,   /* of all that commands leave behind */
	COMMAND_OUTPUT_MAX = 8000000,    /* bytes that one command may say */
};

/* What the shell does for console and web server. Its functions may be called by any thread. */
struct admin {
	const struct config *config;
	void *arg;
	/* Fills in all of s but config. */
	void (*read)(void *arg, struct stats *s);
	/* setUp, setDown, setAuto: has taken effect when it returns. */
	void (*set_mode)(void *arg, unsigned server, enum bal_check_mode mode);
	/* setAuto(up) of a server in auto mode. */
	void (*set_state)(void *arg, unsigned server, bool up);
	void (*set_qps)(void *arg, unsigned server, uint32_t qps);
	void (*set_drain)(void *arg, unsigned server, bool drained);
	void (*set_weight)(void *arg, unsigned server, int32_t weight);
	void (*set_order)(void *arg, unsigned server, int32_t order);
	/* The packet cache of a pool, which workers use meanwhile; NULL: it has none. */
	struct pcache *(*cache)(void *arg, unsigned pool);
	/* reload(): ordered, not yet done, when it returns. */
	void (*reload)(void *arg);
	/*
	 * Between these two neither config nor anything else here changes. Other threads hold it
	 * whenever they look at one of them, never while they wait for somebody outside.
	 */
	void (*hold)(void *arg);
	void (*release)(void *arg);
	unsigned generation;       /* counts up with each reload */
	/* Appends the latest queries, or answers, to *list of *n, which the caller frees. */
	void (*recent)(void *arg, bool answers, struct top_entry **list, size_t *n);
};

struct command;

/* admin is borrowed. NULL: no memory. */
struct command *command_new(const struct admin *admin);
void command_free(struct command *take_c);
/*
 * Runs line[0..len) as "return LINE", or as LINE where that isn't Lua. *out: what it said, or an
 * error in a line that begins with "Error: "; the caller frees it. *stop: it was shutdown().
 */
void command_run(struct command *c, const char *line, size_t len, char **out, size_t *out_len,
                 bool *stop);

#endif
