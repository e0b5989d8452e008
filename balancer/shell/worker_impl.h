/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of a worker share; see worker.h. Not for anybody else. */
#ifndef EK_BALANCER_WORKER_IMPL_H
#define EK_BALANCER_WORKER_IMPL_H

#include <pthread.h>
#include <semaphore.h>

#include "io.h"
#include "lib/host/host.h"
#include "lib/host/net.h"
#include "tcp.h"
#include "worker.h"

struct worker {
	const struct bal_conf *conf;
	const struct bal_shared *shared;
	struct bal *bal;
	struct io *io;
	struct tcp_shell *tcp;
	struct recent *recent;          /* NULL: nothing is kept */
	struct rule_log *log;           /* NULL: no rule logs */
	struct arena arena;
	struct script *script;          /* NULL: the configuration has no functions */
	struct bal_hooks hooks;
	int epoll, asked;
	_Atomic(struct worker_next *) reload; /* one that waits; NULL: none */
	sem_t switched;
	bool switching;                 /* at the end of this pass */
	int64_t retire_ns;              /* what a reload took away is closed; INT64_MAX: nothing */
	int64_t rest_ns;                /* memory may be given back; INT64_MAX: there is little */
	pthread_t thread;
	pthread_mutex_t asking;         /* of those who ask */
	sem_t answered;
	struct worker_counts snapshot;  /* written by the thread before it posts answered */
	int64_t now_ns;                 /* of this pass */
};

/* A reload, made ready by another thread: worker_reload.c. */
struct worker_next {
	const struct bal_succession *succession;
	struct bal_shared *shared;
	struct arena arena;
	struct bal *bal;
	struct script *script;          /* NULL: there are no functions */
	int *udp, *tcp;                 /* by front: sockets at new addresses; -1: none */
};

/* Carries a reload out, in the worker's thread, between two batches. */
void worker_take_over(struct worker *w, struct worker_next *next);
/* Closes what a reload took away, when it is time. */
void worker_retire(struct worker *w);
/* Adds a socket to a server. tell: say so on stderr if it can't be opened; it is tried again. */
void worker_open_back(struct worker *w, const struct bal_server *s, bool tell);
/* What says that a server of w->conf wants fresh sockets; NULL: it never does. */
const _Atomic uint32_t *worker_changes(const struct worker *w, const struct bal_server *s);
/* Room for the snapshot of w->conf. */
void worker_make_snapshot(struct worker *w);

#endif
