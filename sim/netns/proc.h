/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One node's program: started in the node's namespaces with its output in NODE.log, heard through
 * sd_notify(3), killed, stopped and continued, each with proof that it happened.
 */
#ifndef EK_PROC_H
#define EK_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "layout.h"
#include "lib/must.h"
#include "room.h"

enum { PROC_ARGS = 24, PROC_ARG = 4200 };

struct proc {
	unsigned node;
	const char *name;            /* of the node; NULL: this node runs no program */
	pid_t pid;                   /* 0: none */
	bool ready;                  /* READY=1 has come from this pid's life */
	bool hung;                   /* SIGSTOP */
	int notify;                  /* socket that its messages come to, or -1 */
	int64_t started_ns;          /* CLOCK_MONOTONIC */
	int status;                  /* wait status of the last life that has ended */
	int64_t cpu_us;              /* of all its lives that have ended */
	unsigned argc;
	char *argv[PROC_ARGS];       /* [argc] is NULL */
};

/* The world that programs are started in. */
struct proc_world {
	const struct layout *layout;
	const struct room *room;
	const char *dir;             /* run directory, for NODE.log */
};

/* Adds an argument, printf-like. */
void proc_arg(struct proc *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Makes the node's notify socket. 0 or -errno. */
int proc_listen(struct proc *p, const struct proc_world *w) MUST_CHECK;
/* Starts it. 0 or -errno; that the program can't be executed shows in its log and exit. */
int proc_start(struct proc *p, const struct proc_world *w) MUST_CHECK;
/* Reads what the program has notified. True when READY=1 has just come. */
bool proc_hear(struct proc *p);
/*
 * Runs another program beside it, in its namespaces, and waits for its end. argv ends with NULL.
 * The wait status, or -errno; -ETIME: it was killed after ms. What it printed, to either output,
 * is text in out[0..len), as far as that has room.
 */
int proc_beside(const struct proc *p, const struct proc_world *w, char *const argv[], int ms,
                char *out, size_t len) MUST_CHECK;
/* After waiting: it has ended. */
void proc_ended(struct proc *p, int64_t cpu_us);

/*
 * Each waits until the kernel says that it is so. Returns 0, or -ESRCH when there is no such
 * process or it has ended by itself. *status: of the ended process.
 */
int proc_kill(struct proc *p, int *status) MUST_CHECK;
int proc_hang(struct proc *p) MUST_CHECK;
int proc_resume(struct proc *p) MUST_CHECK;

#endif
