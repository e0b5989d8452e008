/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtual engine's insides: one queue of events in a total order (time, then order of entry),
 * hosts with the cores on them, frames under way in slots. A frame stays in one slot from its
 * sender through its receiver's core and on: cores rewrite it in place.
 *
 * Time is ns from the engine's own beginning; t = 0 of the plan is at t0_ns, known once everybody
 * is ready. What a host sends leaves when it is done with it, a little after the event that caused
 * it; the frame is shown to judge and captures then, before anything later at that host.
 */
#ifndef EK_VIRTUAL_WORLD_H
#define EK_VIRTUAL_WORLD_H

#include "balancer/config/config.h"
#include "balancer/config/script.h"
#include "balancer/core/tcp.h"
#include "balancer/core/health.h"
#include "lib/dgram.h"
#include "lib/heap.h"
#include "lib/host/host.h"
#include "model.h"
#include "recursor-stub/config/conf.h"
#include "sabotage.h"
#include "sim/judge/table.h"
#include "sim/judge/tap.h"
#include "sim/load/core/load.h"
#include "sim/net/events.h"
#include "sim/net/link.h"
#include "sim/net/pcapw.h"
#include "sim/net/route.h"
#include "sim/net/when.h"
#include "virtual.h"

enum {
	QUESTION_BYTES = 48,        /* of a question that is remembered; longer ones aren't */
	SLOT_BYTES = 1536,          /* of a datagram; no core sends more over UDP */
	SLOTS_MAX = 1 << 18,        /* frames in the whole world; untouched ones cost nothing */
	NO_SLOT = SLOTS_MAX,
};

/* A frame: under way, in a socket's buffer, or in a core's hands. */
struct slot {
	struct frame f;             /* as judge and captures see it; payload is the slot's data */
	struct judge_message message;
	bool read;                  /* message is payload's */
	bool lost;                  /* comes to nobody: gone once it was shown */
	uint16_t from, to;          /* nodes */
	uint32_t next;              /* in the list that it is in */
	uint32_t conn;              /* of a TCP segment: tcp.c's */
	uint16_t question_n;        /* bytes of question; 0: none */
	uint8_t question[QUESTION_BYTES]; /* what message was read from: most hops keep it */
	int64_t t_ns;               /* when it left its sender */
};

struct fifo {
	uint32_t first, last;       /* NO_SLOT: empty */
	uint32_t n;
};

enum host_state { HOST_DEAD, HOST_STARTS, HOST_RUNS, HOST_HANGS, HOST_ENDED };

/* A token bucket as Linux has it for ICMP: time that has been saved up. */
struct bucket {
	int64_t saved_ns, at_ns;
};

/* A health check's socket. */
struct probe_socket {
	uint16_t port;              /* over UDP; else 0 */
	uint16_t server;
	uint32_t conn;
	uint32_t stream;            /* over TCP: tcp.c's; else 0 */
};

/* A balancer program. */
struct balancer_host {
	struct config *config;      /* owned */
	struct bal_conf conf;       /* config's, or what sabotage made of it */
	struct bal_shared *shared;
	struct bal *bal;
	struct script *script;      /* of the program that runs, or ran last; NULL: none */
	struct bal_hooks hooks;
	struct health *health;
	uint16_t back_base;         /* source port of logical port 1; the others follow */
	unsigned back_n;
	unsigned probe_n, probe_cap;
	struct probe_socket *probe;
	uint32_t *stream;           /* by the core's place of a TCP connection: tcp.c's */
	bool serves;                /* clients: some server is up, or all are known to be down */
	bool *answered;             /* by server: a check was answered, ever */
	unsigned unanswered_n;      /* automatic servers that haven't answered a check yet */
	int64_t health_armed_ns;
};

/* A recursor program. */
struct recursor_host {
	struct stub_conf *conf;     /* owned */
	struct dist miss;
	struct rec_shared *shared;
	struct rec *rec;
};

struct host {
	unsigned node;
	enum plan_role role;
	enum host_state state;
	uint32_t generation;        /* of its program: counts its starts */
	struct arena arena;         /* of its program */
	struct balancer_host *lb;   /* or NULL */
	struct recursor_host *rec;  /* or NULL */
	struct ip own4, own6;       /* what its program sends from */
	int64_t busy_ns;            /* its program is at work until then */
	int64_t armed_ns;           /* a wake-up is in the queue for then; INT64_MAX: none */
	bool serve_armed;           /* so is a look at its sockets */
	bool ready_told;
	bool cold;                  /* its program has served nobody yet */
	struct fifo sockets;        /* datagrams that wait for the program */
	struct fifo leaving;        /* sent, and not yet shown */
	struct drbg ports, wakes;
	int64_t day, return_day;    /* factor of its wake-ups, in thousandths; for WAKE_RETURN */
	struct bucket icmp;         /* of all its refusals */
	struct table peers;         /* address to its place in peer; slot NULL until a refusal */
	size_t peer_n, peer_cap;
	struct bucket *peer;        /* its refusals to each address */
	uint64_t sent, received;    /* frames at its interface */
	uint64_t shown;             /* of those, to judge and capture */
	uint64_t queue_drops;       /* datagrams that its full sockets dropped */
	struct pcapw *pcap;
};

/* A load of the plan: clients on a host of theirs. */
struct client_load {
	unsigned host;
	struct arena arena;
	struct load *load;
	uint16_t base;              /* port of its socket 0 */
	int64_t armed_ns;
};

enum fault_state { FAULT_TO_COME, FAULT_PENDING, FAULT_TOLD };

struct fault_run {
	enum fault_state state;
	int64_t from_ns, to_ns;
	struct link_counts was[2];
	int64_t stub_was;
	uint64_t stub_asked;        /* queries that it had let in */
	bool armed;                 /* the event for the instant of its trigger is in the queue */
	bool skipped;               /* not carried out: its trigger didn't come */
};

struct tap_early; /* tap.c: shown before t = 0 was known */
struct watcher;   /* invariant.c */
struct tcp_world; /* tcp.c */

struct world {
	const struct plan *plan;
	const struct virtual_options *o;
	struct judge *judge;
	struct events events;
	struct arena arena;         /* queue, links, slots */
	struct heap queue;
	struct links *links;
	struct routes routes;
	struct slot *slot;
	uint8_t (*data)[SLOT_BYTES];
	uint32_t slot_free, slot_fresh, slot_used;
	struct host *host;          /* by node */
	struct client_load *load;   /* by load */
	struct fault_run *fault;
	struct whens *whens;
	int64_t begin_ns, now_ns;
	int64_t day;                /* factor of all wake-ups, in thousandths; see host_days */
	int64_t t0_ns;              /* 0 until it is known */
	uint64_t events_n, frames, lost, unroutable;
	uint64_t doubled;           /* copies that links have made, besides frames */
	const char *unwritten;      /* node whose capture couldn't be written; or NULL */
	bool top_taken;             /* the event that happens is still on top of the queue */
	char trouble[256];          /* why the run can't go on; "" */
	struct tap_early *early, **early_end;
	struct watcher *watcher;    /* or NULL */
	struct tcp_world *tcp;
	uint8_t tcp_out[UINT16_MAX]; /* a message on its way into a stream */
};

/* What an event in the queue is about; the rest of the word is its argument. */
enum event_kind {
	EVENT_ARRIVE = 1,  /* slot: at the end of the receiver's link */
	EVENT_LEFT,        /* node: something that was lost on its way has left by now */
	EVENT_SERVE,       /* node: its program is free for the next datagram */
	EVENT_WAKE,        /* node: its core's deadline */
	EVENT_HEALTH,      /* node: its health core's */
	EVENT_LOAD,        /* load: its core's */
	EVENT_STARTED,     /* node, generation: its program has started up */
	EVENT_FAULT,       /* index */
	EVENT_REFUSE,      /* slot: the kernel answers that nobody listens */
	EVENT_TCP,         /* timer and stream: tcp.h */
	EVENT_LATE,        /* slot: what a sabotaged balancer held back */
};

/* -- world.c: making, ending, the queue */
/* 0, or -errno with the reason in error. world_fini also after a failure. */
int world_init(struct world *w, const struct plan *p, const struct virtual_options *o,
               char error[VIRTUAL_ERROR_TEXT]) MUST_CHECK;
void world_fini(struct world *w);
void world_push(struct world *w, int64_t t_ns, enum event_kind kind, uint64_t what);
/* The run can't go on. printf's arguments; the first reason counts. */
void world_trouble(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Seed of a node's program in its generation-th life. */
void world_node_seed(const struct world *w, unsigned node, uint32_t generation,
                     uint8_t out[DRBG_SEED]);
/* A slot with its data, never NO_SLOT: the world ends in trouble and gives its last one again. */
uint32_t slot_take(struct world *w);
void slot_give(struct world *w, uint32_t i);
void fifo_init(struct fifo *f);
void fifo_put(struct world *w, struct fifo *f, uint32_t i);
uint32_t fifo_get(struct world *w, struct fifo *f);

/* -- loop.c: events in their order */
/* Everything from the start of the programs to the end of the plan. */
void loop_run(struct world *w);

/* -- host.c: what a host does with frames */
/* Frame i, which h has made (src, dst, payload), leaves it at t_ns. */
void host_send(struct world *w, struct host *h, uint32_t i, int64_t t_ns);
/* Shows what has left h by until_ns. */
void host_flush(struct world *w, struct host *h, int64_t until_ns);
void host_arrive(struct world *w, uint32_t slot);
void host_serve(struct world *w, struct host *h);
/* Something has come to h's program, on a stream: now, or when it is free. */
void host_take(struct world *w, struct host *h, uint32_t slot, enum wake by);
void host_refuse(struct world *w, uint32_t slot);
/* How long its idle program takes to wake up. */
int64_t host_wake_ns(struct host *h, enum wake by);
/* Sets h's factors as the plan has them for its role; usual: where it is silent. */
void host_days(struct host *h, const struct plan *p, int64_t usual);
/* How late a timer finds the clients' program: the plan's lab.wake, else MODEL_SEND. */
int64_t host_lag_ns(const struct world *w);
/* Wakes h's program at its core's deadline. */
void host_arm(struct world *w, struct host *h);
void host_wake(struct world *w, struct host *h);
/* Looks at the sockets once the program is free. */
void host_serve_soon(struct world *w, struct host *h);
/* An address of h's own, of the family of to. */
struct ip host_own_ip(const struct host *h, const struct ip *to);

/* -- program.c: programs start and end */
void program_start(struct world *w, struct host *h);
void program_started(struct world *w, struct host *h);
/* Tells READY=1 once, when it is so. */
void program_ready(struct world *w, struct host *h);
void program_kill(struct world *w, struct host *h);
void program_resume(struct world *w, struct host *h);
bool program_is_ready(const struct host *h);

/* -- lb.c, stub.c, clients.c: the shells around the cores */
int lb_read(struct host *h, const struct plan_node *n, char error[VIRTUAL_ERROR_TEXT]) MUST_CHECK;
int lb_start(struct world *w, struct host *h) MUST_CHECK;
void lb_free(struct host *h);
/* The core's logical port for datagrams to dst; -1: nobody listens there; -2: a health check. */
int lb_port(const struct host *h, const struct ep *dst);
/* Gives slot i to the core; what comes of it leaves at done_ns. */
void lb_datagram(struct world *w, struct host *h, uint32_t i, int port, int64_t done_ns);
/* An answer for a client over UDP that came in another way leaves at done_ns. */
void lb_answer(struct world *w, struct host *h, const struct dgram *d, int64_t done_ns);
/* Slot i was held back until now. */
void lb_send_late(struct world *w, uint32_t i);
void lb_probe_answer(struct world *w, struct host *h, uint32_t i);
/* What came of the health check conn of server: a message of len bytes; NULL: no answer. */
void lb_probe_over(struct world *w, struct host *h, unsigned server, uint32_t conn, uint8_t *m,
                   uint16_t len);
/* A refusal (ICMP) of what h sent from own to peer. */
void lb_refused(struct world *w, struct host *h, const struct ep *own, const struct ep *peer);
void lb_wake(struct world *w, struct host *h);
void lb_health(struct world *w, struct host *h);
void lb_health_arm(struct world *w, struct host *h);

int stub_read(struct host *h, const struct plan_node *n, char error[VIRTUAL_ERROR_TEXT]) MUST_CHECK;
int stub_start(struct world *w, struct host *h) MUST_CHECK;
void stub_free(struct host *h);
int stub_port(const struct host *h, const struct ep *dst);
void stub_datagram(struct world *w, struct host *h, uint32_t i, int port, int64_t done_ns);
void stub_wake(struct world *w, struct host *h);

/* t0_ns is known: the loads begin. 0 or -errno. */
int clients_start(struct world *w) MUST_CHECK;
void clients_free(struct world *w);
void clients_datagram(struct world *w, struct host *h, uint32_t i);
void clients_wake(struct world *w, unsigned load);
/* Wakes the load at its core's deadline. */
void clients_arm(struct world *w, unsigned load);
/* Every planned query is settled. */
bool clients_done(const struct world *w);

/* -- tcp.c, tcp_program.c (tcp.h) */
/* A query of a load that goes over TCP. */
void tcp_connect(struct world *w, unsigned load, const struct dgram *d);
void tcp_event(struct world *w, uint64_t what);
void tcp_segment_arrives(struct world *w, struct host *h, uint32_t slot);
/* h's program looks at the stream of a segment that has come; what it writes leaves at done_ns. */
void tcp_look(struct world *w, struct host *h, uint32_t slot, int64_t done_ns);
/* What the balancer's core wants done. */
void tcp_lb_orders(struct world *w, struct host *h, int64_t done_ns);
/* A health check of h's leaves over TCP. Its stream; 0: trouble. */
uint32_t tcp_probe(struct world *w, struct host *h, const struct dgram *d, int64_t t_ns);
/* It is over, whatever came of it. */
void tcp_probe_close(struct world *w, uint32_t stream);
/* An answer that the recursor's core gave out late. */
void tcp_stub_answer(struct world *w, const struct dgram *d, int64_t done_ns);
/* The kernel closes what the program had open. */
void tcp_program_killed(struct world *w, struct host *h);
void tcp_free_all(struct world *w);

/* -- fault.c */
void faults_schedule(struct world *w);
void fault_strike(struct world *w, unsigned fault);
/* A program that was started again says READY=1. */
void fault_ready(struct world *w, unsigned node);
/* A balancer has marked one of its servers. */
void fault_marked(struct world *w, const struct host *h, unsigned server, bool up);
/* Some fault of the plan wasn't carried out. */
bool faults_skipped(const struct world *w);
/* Before the programs end: what only they can prove. Then, when all is over: the rest. */
void faults_prove_stubs(struct world *w);
void faults_end(struct world *w);

/* -- tap.c: what judge and captures see */
int tap_open(struct world *w, char error[VIRTUAL_ERROR_TEXT]) MUST_CHECK;
/* Frame s at node's interface. */
void tap(struct world *w, struct host *h, int64_t t_ns, const struct slot *s);
/* t0_ns is known: shows what was kept until now. */
void tap_zero(struct world *w);
/* Writes the pcap events. 0, or -errno when a capture couldn't be written. */
int tap_close(struct world *w) MUST_CHECK;
void tap_free(struct world *w);

#endif
