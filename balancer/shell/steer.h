/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many workers take queries over UDP. The kernel spreads clients over the sockets of all that
 * listen at an address (SO_REUSEPORT), and a worker that is woken for every query takes about twice
 * the processor time of one that finds several. So while one worker is enough, all queries go to
 * the first (SO_ATTACH_REUSEPORT_CBPF); when it has much to do they are spread, until all together
 * have had little to do for a second. Answers come to the worker that asked in either case.
 */
#ifndef EK_BALANCER_SHELL_STEER_H
#define EK_BALANCER_SHELL_STEER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { STEER_WORKERS = 64 };

/* What the workers share. Each writes its own line. */
struct steer {
	unsigned workers;           /* 1: there is nothing to steer */
	_Atomic bool alone;         /* all goes to the first */
	_Atomic int64_t calm_ns;    /* since then there was little to do */
	struct {
		_Alignas(64) _Atomic uint32_t load;   /* thousandths of a processor */
		_Atomic int64_t at_ns;                /* when that was measured */
	} worker[STEER_WORKERS];
};

/* One worker's part. */
struct steerer {
	struct steer *steer;        /* NULL: none */
	unsigned index;
	int64_t since_ns, cpu_ns;   /* of this window */
	int64_t told_ns;            /* when the kernel was told last */
	uint64_t passes, datagrams; /* of this window */
};

/* Before any worker is started. workers: 1 also where all are to take queries all the time. */
void steer_init(struct steer *s, unsigned workers);
/*
 * After each pass, which received n datagrams. True when the worker has to tell the kernel, of each
 * of its sockets that listen (steer_tell), whether all goes to the first.
 */
bool steer_pass(struct steerer *w, int64_t now_ns, unsigned n, bool *alone);
/* Returns 0, or -errno when the kernel can't; then it spreads. */
int steer_tell(int fd, bool alone);

#endif
