/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One worker: a thread with a balancer core of its own, its own listening sockets (SO_REUSEPORT
 * shares out the clients) and its own connected sockets to every server. Each pass waits, reads
 * every ready socket in batches of 64, lets the core judge all of it at once, and sends what came
 * out, in batches of 64 for each socket. Nothing blocks: what a full socket refuses is counted.
 * TCP is served beside (tcp.h): the kernel shares out the clients' connections in the same way.
 */
#ifndef EK_BALANCER_WORKER_H
#define EK_BALANCER_WORKER_H

#include <stdint.h>

#include "balancer/core/bal.h"
#include "balancer/core/tcp.h"
#include "recent.h"

/* What a worker counts besides the core's verdicts. */
#define WORKER_COUNTS(X) \
	X(WORKER_SEND_FULL, "send-full", "datagram dropped: the socket's buffer was full") \
	X(WORKER_SEND_FAILED, "send-failed", "datagram dropped: the kernel refused it") \
	X(WORKER_TOO_BIG, "too-big", "datagram longer than 4096 bytes") \
	X(WORKER_REFUSED, "refused", "error reports of the network about earlier queries") \
	X(WORKER_PASSES, "wakeups", "times that a worker woke up")

enum worker_count {
#define X(id, name, prose) id,
	WORKER_COUNTS(X)
#undef X
	WORKER_COUNT_N,
};

struct worker_counts {
	uint64_t verdict[BAL_VERDICTS];
	uint64_t timeouts, outstanding, cache_misses, not_cached;
	uint64_t back_failed;              /* of WORKER_SEND_FAILED, those towards servers */
	uint64_t own[WORKER_COUNT_N];
	uint64_t tcp[BAL_TCP_COUNT_N];
	uint64_t tcp_outstanding, tcp_clients, tcp_servers, tcp_stuck;
	struct bal_counts counts;
	struct bal_server_counts *server;  /* the configuration's servers; NULL: not wanted */
};

struct worker;

/*
 * Opens a worker's sockets. conf and shared are borrowed for its life. Returns NULL with -errno in
 * *err when a bind is refused, its address in *bad (an index of conf->front), or when there is no
 * memory, *bad then conf->front_n.
 */
struct worker *worker_new(const struct bal_conf *conf, struct bal_shared *shared,
                          const uint8_t seed[32], unsigned index, unsigned *bad, int *err);
/* Starts its thread. */
void worker_start(struct worker *w);
/* Adds its counts to *c: asks the thread for them, and waits for it at most a second. From any
 * thread. */
void worker_add_counts(struct worker *w, struct worker_counts *c);
/* What it keeps of its latest queries and answers; NULL: nothing. */
struct recent *worker_recent(const struct worker *w);

#endif
