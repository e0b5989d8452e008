/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration's Lua functions, to be called while the program runs: one Lua state of its own
 * for each thread that calls, in which the texts that config_load read are evaluated again, so that
 * no thread waits for another, and what functions keep in variables is each thread's own. A call
 * is bounded in steps, the state in memory; there are no files, no clock, and random numbers come
 * from the stream of a seed, so a simulation repeats. Each call is O(1) besides what the function
 * does; what fails is counted, its message kept.
 */
#ifndef EK_CONFIG_SCRIPT_H
#define EK_CONFIG_SCRIPT_H

#include "balancer/core/hooks.h"
#include "balancer/core/shared.h"
#include "config.h"
#include "lib/drbg.h"

enum {
	SCRIPT_STEPS_MAX = 100000,     /* of one call, counted by the thousand */
	SCRIPT_CHECKS = 0x10000,       /* above every worker's index */
};

struct script;

/*
 * c and shared are borrowed for its life. seed and index: of its random numbers; a worker's index,
 * or SCRIPT_CHECKS for the thread that checks. Returns NULL with one line in error.
 */
struct script *script_new(const struct config *c, struct bal_shared *shared,
                          const uint8_t seed[DRBG_SEED], uint32_t index,
                          char error[CONFIG_ERROR_TEXT]);
/* s may be NULL. */
void script_free(struct script *take_s);
/* What a core is given at its init; borrows s. */
struct bal_hooks script_hooks(struct script *s);
/*
 * Whether there is news of calls that failed, at most once a second: then a line for a log. now_ns
 * must not decrease.
 */
enum { SCRIPT_NEWS_TEXT = CONFIG_ERROR_TEXT + 64 };
bool script_news(struct script *s, int64_t now_ns, char line[SCRIPT_NEWS_TEXT]);
/* How many calls failed, and the last one's message: file, line, what is wrong; "": none. */
uint64_t script_failures(const struct script *s);
const char *script_error(const struct script *s);

#endif
