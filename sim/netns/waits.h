/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long a program has to wait for a processor. The kernel counts that for each thread
 * (/proc/PID/task/TID/schedstat, its second number; Documentation/scheduler/sched-stats.rst), from
 * when it could run until it does; a stopped thread doesn't wait. Whoever looks often enough sees
 * in which while a thread was kept waiting.
 */
#ifndef EK_WAITS_H
#define EK_WAITS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { WAITS_THREADS = 64 };  /* of a program; further ones aren't looked at */

struct waits {
	pid_t pid;                /* that was looked at; 0: none */
	unsigned n;
	struct waits_thread {
		int tid;
		uint64_t ns;
	} thread[WAITS_THREADS];
	int64_t max_ns;           /* longest that a thread waited between two looks that count */
	bool told;                /* the kernel tells */
};

/*
 * Looks at pid's threads; proc: where procfs is. counts: this look and the one before it belong to
 * the time that matters. pid 0: there is no program now.
 */
void waits_look(struct waits *w, const char *proc, pid_t pid, bool counts);
/* Whether proc is the procfs of our own namespace of processes: pids mean the same there. */
bool waits_proc_is_ours(const char *proc);

#endif
