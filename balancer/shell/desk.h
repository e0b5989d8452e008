/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The desk where console and web server are served: it binds their addresses, gathers what the
 * workers have counted, and passes on what the console wants of the health checks.
 */
#ifndef EK_BALANCER_DESK_H
#define EK_BALANCER_DESK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "balancer/admin/command.h"
#include "watch.h"
#include "worker.h"

/* Reloads that took over, and that were refused. */
struct reload_counts {
	_Atomic uint64_t good, refused;
};

struct desk {
	struct admin admin;
	const struct config *config;
	struct bal_shared *shared;
	struct watch *watch;
	struct worker *const *worker;
	unsigned worker_n;
	atomic_bool *started;       /* the workers' threads run */
	int console, web;           /* listening sockets; -1: none */
	const struct reload_counts *reloads;
	pthread_rwlock_t held;      /* by whoever looks at the configuration; see admin.hold */
	int64_t start_ns;
	pthread_mutex_t lock;       /* of what follows: the rates of the last look */
	int64_t looked_ns;
	struct stats_server *last;
};

/* Binds what the configuration wants. Returns 0, or the status to exit with: all has been said. */
int desk_listen(struct desk *d, const struct config *config);
/* Starts the threads; shared, watch, worker, worker_n, started and reloads are set. */
int desk_start(struct desk *d);
/*
 * A reload: false while a command is being carried out; else console and web server wait until
 * desk_resume.
 */
bool desk_pause(struct desk *d);
/* Goes on with the succession's new configuration, which is config's; between those two. */
void desk_succeed(struct desk *d, const struct config *config, struct bal_shared *shared,
                  const struct bal_succession *s);
void desk_resume(struct desk *d);

#endif
