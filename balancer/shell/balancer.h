/* SPDX-License-Identifier: BSD-3-Clause */
/* The running program, as main.c and reload.c see it. */
#ifndef EK_BALANCER_BALANCER_H
#define EK_BALANCER_BALANCER_H

#include <stdatomic.h>

#include "balancer/config/config.h"
#include "desk.h"
#include "options.h"
#include "watch.h"
#include "worker.h"

struct balancer {
	struct options o;
	struct config *config;
	const struct bal_conf *conf;
	struct bal_shared *shared;
	struct arena arena;         /* of shared */
	struct arena packets;       /* of the packet cache */
	uint8_t seed[32];
	struct watch *watch;
	struct worker *worker[OPTIONS_WORKERS_MAX];
	int epoll, signals;
	struct desk desk;
	atomic_bool started;        /* also read by console and web server */
	bool ready;
	struct reload *reload;
	struct reload_counts reloads;
};

/*
 * Reads the configuration that the command line names, with what the command line says. Returns
 * NULL with one line in error: what is wrong, where.
 */
struct config *balancer_load(const struct options *o, char error[CONFIG_ERROR_TEXT]);
/* Prints what the configuration had to say. */
void balancer_print_notes(const struct config *c, const struct options *o);
/*
 * Memory that workers and health checks share, packets among it, unless that is NULL. Returns 0 or
 * -errno.
 */
int balancer_make_shared(const struct bal_conf *conf, const uint8_t seed[32], struct arena *arena,
                         struct arena *packets, struct bal_shared **out) MUST_CHECK;
/* Why a worker wasn't to be had, into text: the address bad of conf, or, without one, memory. */
void balancer_say_refused(const struct bal_conf *conf, unsigned bad, int err,
                          char text[CONFIG_ERROR_TEXT]);

#endif
