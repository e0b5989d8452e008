/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of a worker share; see worker.h. Not for anybody else. */
#ifndef EK_BALANCER_WORKER_IMPL_H
#define EK_BALANCER_WORKER_IMPL_H

#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/host/host.h"
#include "lib/host/net.h"
#include "tcp.h"
#include "worker.h"

enum {
	POOL = 4 * DGRAM_BATCH,     /* datagrams of one pass */
	BUFFER = 4096,              /* bytes of one datagram */
	STRIDE = BUFFER + 192,      /* so that buffers' first lines spread over the cache */
	NONE = UINT16_MAX,
	EVENTS = 64,
	REOPEN_NS = 1000000000,     /* a server's socket is tried again this often */
	REST_QUERIES = 4096,        /* after so many on their way, memory is given back */
	TIMER_SLACK_NS = 1000000,   /* queries' time-outs may be this late */
};

#define REST_NS INT64_C(2000000000) /* and not sooner */

#define ASKED UINT64_MAX            /* event: somebody wants the counts, or a reload waits */

/* A socket, and what waits to be sent on it in this pass: a list of the pool's indices. */
struct out {
	int fd;                     /* -1: couldn't be opened yet */
	bool wildcard;              /* front only: answers need their source address */
	uint16_t first, last;
	int64_t reopen_ns;
	struct ep ep;               /* front: where it listens; else the server */
};

struct worker {
	const struct bal_conf *conf;
	struct bal *bal;
	struct tcp_shell *tcp;
	struct arena arena;
	int epoll, asked;
	_Atomic(struct worker_next *) reload; /* a reload that waits; NULL: none */
	sem_t switched;
	bool switching;             /* at the end of this pass */
	int64_t retire_ns;          /* when what a reload took away is closed; INT64_MAX: nothing */
	int64_t rest_ns;            /* when memory may be given back; INT64_MAX: there is little */
	pthread_t thread;
	pthread_mutex_t asking;         /* of those who ask */
	sem_t answered;
	struct worker_counts snapshot;  /* written by the thread before it posts answered */
	uint64_t own[WORKER_COUNT_N], back_failed;
	int64_t now_ns;             /* of this pass */
	/* out: fronts, those that a reload took away and that answers still leave from, then the
	 * core's ports 1... */
	unsigned live_n, front_n, out_n;
	struct out *out;
	unsigned n;                 /* datagrams of this pass */
	struct dgram d[POOL];
	uint16_t next[POOL];
	uint16_t touched_n;
	uint16_t *touched;          /* indices of out with something to send */
	struct iovec iov[POOL];
	struct mmsghdr front_in[POOL], back_in[POOL];
	struct sockaddr_storage name_in[POOL];
	struct mmsghdr send[DGRAM_BATCH];
	struct iovec send_iov[DGRAM_BATCH];
	struct sockaddr_storage send_name[DGRAM_BATCH];
	_Alignas(8) uint8_t control_in[POOL][NET_CONTROL];
	_Alignas(8) uint8_t control_out[DGRAM_BATCH][NET_CONTROL];
	uint8_t buffer[POOL][STRIDE];
};

/* A reload, made ready by another thread: worker_reload.c. */
struct worker_next {
	const struct bal_succession *succession;
	struct arena arena;
	struct bal *bal;
	int *udp, *tcp;             /* by front: sockets for addresses that are new; -1: none */
};

/* Carries a reload out, in the worker's thread, between two batches. */
void worker_take_over(struct worker *w, struct worker_next *next);
/* Closes what a reload took away, when it is time. */
void worker_retire(struct worker *w);
/* A socket to a server. tell: say so on stderr if it can't be opened now; it is tried again. */
struct out worker_open_back(const struct bal_server *s, bool tell);
/* Room for n sockets. */
void worker_take_outs(struct worker *w, unsigned n);

#endif
