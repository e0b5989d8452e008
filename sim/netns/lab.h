/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lab's first process: it makes the ground, starts wire, programs and clients, waits until all
 * are ready, lets the timeline happen, and writes down what isn't in packets. Inside of sim/netns
 * only; netns.h is what others see.
 */
#ifndef EK_LAB_H
#define EK_LAB_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sim/net/events.h"
#include "sim/net/when.h"
#include "layout.h"
#include "netns.h"
#include "proc.h"
#include "room.h"
#include "sim/load/shell/shell.h"
#include "waits.h"
#include "wire.h"

/* Memory that evenkeel shares with the lab. */
struct lab_shared {
	_Atomic int64_t t0_ns;       /* CLOCK_MONOTONIC of t = 0; 0: not yet */
	_Atomic int64_t bye_ns;      /* CLOCK_MONOTONIC when the lab began to end */
	_Atomic int cant;            /* -errno of a step that needs a privilege; then step is set */
	char step[128];              /* what couldn't be done */
	char phase[NETNS_PHASE];
	unsigned load_n;
	struct load_result load[];
};

/* A fault that has been set off and isn't proven yet. */
struct lab_fault {
	enum { LAB_TO_COME = 0, LAB_STRUCK, LAB_PENDING, LAB_DONE } state;
	int64_t from_ns, to_ns;      /* CLOCK_MONOTONIC */
	struct link_counts was[2];   /* the link's, until then */
	bool skipped;                /* not carried out: its trigger didn't come */
	int64_t stub_was;            /* answers of the stub that it had befallen until then */
};

struct lab {
	const struct plan *plan;
	const struct netns_options *o;
	struct lab_shared *shared;
	struct events events;
	struct layout layout;
	struct room room;
	struct proc_world world;
	struct wire_shared *wire;
	pid_t wire_pid;
	int bell, echo;              /* eventfds: to the wire, and back */
	int stop_fd;                 /* readable: evenkeel wants an end */
	int child_fd;                /* signalfd of SIGCHLD */
	bool stopped;                /* evenkeel has asked for an end */
	struct proc *proc;           /* of each node; name NULL where there is none */
	struct waits *waits;         /* of each node's program; NULL: we can't see them */
	int64_t waits_ns;            /* when they were looked at last */
	pid_t *load_pid;             /* of each load; 0: has ended */
	struct lab_fault *fault;     /* of each of the plan's */
	struct whens *whens;
	struct lab_log *log;         /* lab_when.c: of each node; NULL: not read yet */
	int64_t begun_ns, setup_ns, t0_ns;
	int64_t t0_real_ns;
	int64_t gap_max_ns;          /* longest time that its own loop was late, from t = 0 on */
};

/*
 * The whole life of the lab, as the first process of its namespaces. begun_ns: CLOCK_MONOTONIC at
 * which making it began. Returns the exit status: 0 something to judge, 1 not.
 */
int lab_main(const struct plan *p, const struct netns_options *o, struct lab_shared *shared,
             int stop_fd, int64_t begun_ns);

/* -- lab_start.c: up to t = 0 */
/* Ground and wire. 0 or -errno; shared->step says what failed. */
int lab_start(struct lab *l) MUST_CHECK;
/* Starts the programs of all nodes of a role. 0 or -errno. */
int lab_start_programs(struct lab *l, enum plan_role role) MUST_CHECK;
/* Every program that has been started is READY=1. */
bool lab_all_ready(struct lab *l);
/* Every server that is checked automatically has answered each of its balancers. */
bool lab_all_answered(struct lab *l);
/* Forks the clients, who wait for t0_ns. */
int lab_start_loads(struct lab *l) MUST_CHECK;

/* -- lab_proof.c */
/* Sends a datagram over the wire to and from each node. 0 or -errno. */
int lab_prove_wire(struct lab *l) MUST_CHECK;

/* -- lab_when.c */
/* Reads what balancers have written since. True when a fault has become due by it. */
bool lab_when_look(struct lab *l);
/* Whether a line of a balancer node's log says that it marked a recursor node, and how. */
bool lab_when_read(const struct plan *p, unsigned node, const char *line, int *server, bool *up);

/* -- lab_fault.c, lab_stub.c, lab_console.c */
/* Sets off fault i of the plan. */
void lab_fault(struct lab *l, unsigned i);
/* Fault i isn't carried out: its trigger hasn't come. */
void lab_fault_skip(struct lab *l, unsigned i);
/* The program of a node has come to READY=1: a start is proven. */
void lab_fault_ready(struct lab *l, unsigned node);
/* Proves what only a running program can: before the programs end. */
void lab_fault_prove_stubs(struct lab *l);
/* Proves or gives up what is still pending; the wire has ended. */
void lab_fault_end(struct lab *l);
/*
 * Tells a stub to do f from now on, over its control socket. Returns the number of answers that f
 * has befallen so far, or -errno; evidence[0..len) is what the stub said.
 */
int64_t lab_stub_fault(struct lab *l, const struct plan_fault *f, char *evidence, size_t len);
/* That number alone. */
int64_t lab_stub_count(struct lab *l, const struct plan_fault *f);
/* Says f at the console of each balancer that runs. True when all have taken it, and some has. */
bool lab_console(struct lab *l, const struct plan_fault *f, char *evidence, size_t len);

/* -- lab_end.c */
/* Ends programs and wire, compares counters, writes the last events. */
void lab_collect(struct lab *l);

/* -- lab.c */
void lab_trouble(struct lab *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
void lab_phase(struct lab *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
void lab_process_event(struct lab *l, const struct proc *p, const char *what, pid_t pid,
                       const int *status);
/*
 * Sees to signals, notifications and children until done(l) (NULL: never) or until_ns. Returns 0
 * when done, -ETIME at until_ns, -EINTR when evenkeel wants an end, -EPIPE when the wire has gone.
 */
int lab_until(struct lab *l, bool (*done)(struct lab *), int64_t until_ns) MUST_CHECK;
/* Tells the wire to look; waits for its echo, at most a second. 0 or -ETIME. */
int lab_ring(struct lab *l) MUST_CHECK;

#endif
