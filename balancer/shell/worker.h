/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One worker: a thread with a balancer core of its own, its own listening sockets (SO_REUSEPORT
 * shares out the clients) and its own connected sockets to every server (io.h). Each pass waits,
 * reads every ready socket, lets the core judge all of it at once, and sends what came out.
 * TCP is served beside (tcp.h): the kernel shares out the clients' connections in the same way.
 */
#ifndef EK_BALANCER_WORKER_H
#define EK_BALANCER_WORKER_H

#include <stdint.h>

#include "balancer/config/script.h"
#include "balancer/core/bal.h"
#include "balancer/core/succeed.h"
#include "balancer/core/tcp.h"
#include "io.h"
#include "recent.h"

struct worker_counts {
	uint64_t verdict[BAL_VERDICTS];
	uint64_t timeouts, outstanding, cache_misses, not_cached, not_logged;
	uint64_t back_failed;              /* of WORKER_SEND_FAILED, those towards servers */
	uint64_t own[WORKER_COUNT_N];
	uint64_t tcp[BAL_TCP_COUNT_N];
	uint64_t tcp_outstanding, tcp_clients, tcp_servers, tcp_stuck;
	struct bal_counts counts;
	struct bal_server_counts *server;  /* the configuration's servers; NULL: not wanted */
	struct bal_pool_counts *pool;      /* its pools; NULL: not wanted */
	uint64_t *matches[BAL_CHAINS];     /* of its rules; NULL: not wanted, or it has none */
};

struct worker;

/*
 * Opens a worker's sockets. conf and shared are borrowed for its life. Returns NULL with -errno in
 * *err when a bind is refused, its address in *bad (an index of conf->front), or when there is no
 * memory, or no io_uring where choice asks for it, *bad then conf->front_n.
 */
struct worker *worker_new(const struct bal_conf *conf, struct bal_shared *shared,
                          const uint8_t seed[32], unsigned index, enum io_choice choice,
                          unsigned *bad, int *err);
/* The functions that its core calls; before it starts. Takes s, and tells of calls that fail. */
void worker_set_script(struct worker *w, struct script *take_s);
/* Memory for counts of matches, where the configuration has rules; the caller frees. */
void worker_take_matches(struct worker_counts *c, const struct bal_conf *conf);
/* Starts its thread. */
void worker_start(struct worker *w);
/*
 * A reload, in two steps, from one thread. What the succession's new configuration needs of a
 * worker is made ready: its core, and sockets at addresses that are new. Returns NULL with -errno
 * in *err, as worker_new does; nothing has changed then.
 */
struct worker_next;
struct worker_next *worker_prepare(const struct bal_succession *s, struct bal_shared *shared,
                                   const uint8_t seed[32], unsigned index, unsigned *bad, int *err);
/* The functions that its core will call. Takes s. */
void worker_next_set_script(struct worker_next *n, struct script *take_s);
/* Has the worker, which is started, go on with it between two batches, and waits until it does. */
void worker_switch(struct worker *w, struct worker_next *take_next);
/* Doesn't. */
void worker_abandon(struct worker_next *take_next);
/* Adds its counts to *c: asks the thread for them, and waits for it at most a second. From any
 * thread. */
void worker_add_counts(struct worker *w, struct worker_counts *c);
/* What it keeps of its latest queries and answers; NULL: nothing. */
struct recent *worker_recent(const struct worker *w);
/* Before worker_start: it is worker index of those that steer counts; steer is borrowed. */
void worker_steer(struct worker *w, struct steer *steer, unsigned index);

#endif
