/* SPDX-License-Identifier: BSD-3-Clause */
/* The wire's loop; see wire.h. */
#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "layout.h"
#include "lib/host/host.h"
#include "lib/stream.h"
#include "ring.h"
#include "sim/net/fault.h"
#include "sim/net/frame.h"
#include "sim/net/pcapw.h"
#include "sim/net/route.h"
#include "sim/plan/replay.h"

enum {
	UNDER_WAY_MAX = 65536,      /* frames; memory is touched only as they are used */
	TAKE_MAX = 256,             /* frames taken before looking at what is due */
	RING_SLOTS_MIN = 2048,
	RING_SLOTS_MAX = 16384,
	SLICE_NS = 100000,          /* of the CPU: short, so that waking up comes first */
	IDLE_NS = 100000000,
	STEP_MAX_NS = 100000,       /* between two looks when much goes on */
	STEPS_NS = 1000000,         /* without a frame for so long: not much goes on */
};

static const uint64_t BUSY_MQPS = 5000000;
static const int64_t STEPPED_NS = 10000000000; /* so far off, a stamp is another clock's */

struct slot {
	uint32_t len;
	uint32_t next_free;         /* UNDER_WAY_MAX: none. Under way: how often it will come */
	uint8_t data[RING_SLOT - 8];
};

STATIC_MUST(sizeof(struct slot) == RING_SLOT);
STATIC_MUST((int)RING_SLOT <= (int)PCAPW_FRAME_MAX);

struct wire {
	const struct wire_options *o;
	struct wire_shared *s;
	struct ring ring;
	struct routes routes;
	struct arena arena;
	struct links *links;
	struct slot *slot;
	uint32_t free_first;        /* slots that were used before; UNDER_WAY_MAX: none */
	uint32_t fresh;             /* slots from here on were never used, nor touched */
	struct pcapw **pcap;        /* of each node, or NULL */
	int64_t real_ns;            /* CLOCK_REALTIME - CLOCK_MONOTONIC at the start */
	int64_t looked_ns;          /* CLOCK_MONOTONIC of the last look */
	int64_t moved_ns;           /* of the last one that found something to do */
	int64_t step_ns;            /* 0: every frame wakes the wire */
};

size_t wire_shared_size(unsigned nodes)
{
	return sizeof(struct wire_shared) + nodes * sizeof(struct wire_node) +
	       (size_t)nodes * nodes;
}

/* The byte for (from, to) in the matrix behind the nodes. */
static const _Atomic uint8_t *answered(const struct wire_shared *s, unsigned from, unsigned to)
{
	return (const _Atomic uint8_t *)(s->node + s->nodes) + (size_t)from * s->nodes + to;
}

bool wire_answered(const struct wire_shared *s, unsigned from, unsigned to)
{
	return atomic_load(answered(s, from, to)) != 0;
}

static void echo(const struct wire *w)
{
	uint64_t one = 1;

	(void)!write(w->o->echo, &one, sizeof(one));
}

static int fail(struct wire *w, int err, const char *what)
{
	struct wire_shared *s = w->s;

	s->error = err;
	snprintf(s->error_what, sizeof(s->error_what), "%s", what);
	atomic_store(&s->state, WIRE_FAILED);
	echo(w);
	return err;
}

static bool measured(const struct wire *w, int64_t t_ns)
{
	return t_ns >= atomic_load(&w->s->from_ns) && t_ns < atomic_load(&w->s->to_ns);
}

/* Something has waited since t_ns to be looked at. */
static void note_gap(struct wire *w, int64_t t_ns, int64_t now_ns)
{
	if (now_ns - t_ns > w->s->loop_gap_max_ns && measured(w, t_ns))
		w->s->loop_gap_max_ns = now_ns - t_ns;
}

/* An answer over UDP, or over TCP at the head of a segment. */
static bool is_answer(const struct frame *p)
{
	size_t at = p->kind == FRAME_TCP ? STREAM_PREFIX : 0;

	return (p->kind == FRAME_UDP || p->kind == FRAME_TCP) &&
	       p->payload_len >= at + DNS_HEADER && (dns_flags(p->payload + at) & DNS_QR) != 0;
}

static void note_answer(struct wire *w, unsigned from, unsigned to, const struct ring_frame *f)
{
	struct frame p;

	if (frame_parse(&p, f->data, f->len) != 0 || !is_answer(&p))
		return;
	/* The matrix is ours to write; wire_answered has it const for its readers. */
	uint8_t *m = (uint8_t *)(w->s->node + w->s->nodes);
	__atomic_store_n(m + (size_t)from * w->s->nodes + to, 1, __ATOMIC_RELEASE);
}

/* A frame that is in a slot of its own sets out. */
static void set_out(struct wire *w, unsigned from, unsigned to, const struct ring_frame *f,
                    int64_t t_ns)
{
	bool again = w->free_first != UNDER_WAY_MAX;
	uint32_t i = again ? w->free_first : w->fresh;

	if (i == UNDER_WAY_MAX) {
		w->s->full++;
		return;
	}
	enum link_fate fate = links_enter(w->links, t_ns, from, to, f->len, i);
	w->s->lost += fate == LINK_LOST;
	w->s->full += fate == LINK_FULL;
	w->s->doubled += fate == LINK_DOUBLED;
	if (fate != LINK_PASSED && fate != LINK_DOUBLED)
		return;
	if (again)
		w->free_first = w->slot[i].next_free;
	else
		w->fresh++;
	w->slot[i].next_free = fate == LINK_DOUBLED ? 2 : 1;
	w->slot[i].len = (uint32_t)f->len;
	memcpy(w->slot[i].data, f->data, f->len);
	layout_mac(to, w->slot[i].data);
}

static void take(struct wire *w, const struct ring_frame *f, int64_t now_ns)
{
	int from = layout_node(f->ifindex), to;
	int64_t t_ns = f->real_ns - w->real_ns;
	struct ip dst;

	if (from < 0 || (unsigned)from >= w->s->nodes)
		return;
	if (t_ns > now_ns + STEPPED_NS || t_ns < now_ns - STEPPED_NS)
		t_ns = now_ns; /* the clock was stepped: said elsewhere */
	note_gap(w, t_ns, now_ns);
	atomic_fetch_add_explicit(&w->s->frames, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&w->s->node[from].took, 1, memory_order_relaxed);
	if (w->pcap[from] != NULL)
		pcapw_add(w->pcap[from], f->real_ns, f->data, f->len, f->orig_len);
	if (f->len < f->orig_len || f->len > sizeof(w->slot[0].data)) {
		w->s->oversize++;
		return;
	}
	to = frame_dst(&dst, f->data, f->len) == 0 ? routes_find(&w->routes, &dst) : PLAN_NONE;
	if (to == PLAN_NONE || to == from) {
		w->s->unroutable++;
		return;
	}
	if (atomic_load_explicit(&w->s->watching, memory_order_relaxed))
		note_answer(w, (unsigned)from, (unsigned)to, f);
	set_out(w, (unsigned)from, (unsigned)to, f, t_ns);
}

static unsigned take_all(struct wire *w)
{
	struct ring_frame f;
	unsigned n = 0;

	for (; n < TAKE_MAX && ring_next(&w->ring, &f); n++) {
		take(w, &f, w->looked_ns);
		ring_done(&w->ring);
	}
	return n;
}

/* One of a slot's frames is over with; the slot is free after the last. */
static void free_slot(struct wire *w, uint64_t i)
{
	if (--w->slot[i].next_free > 0)
		return;
	w->slot[i].next_free = w->free_first;
	w->free_first = (uint32_t)i;
}

/* Collects up to RING_BATCH frames that are due. */
static unsigned collect(struct wire *w, struct link_arrival *a, struct ring_out *out)
{
	unsigned n = 0;

	while (n < RING_BATCH && links_leave(w->links, w->looked_ns, &a[n])) {
		struct slot *slot = &w->slot[a[n].frame];
		if (a[n].fate == LINK_LOST) {
			w->s->lost++;
			free_slot(w, a[n].frame);
			continue;
		}
		note_gap(w, a[n].t_ns, w->looked_ns);
		out[n] = (struct ring_out){ .data = slot->data, .len = slot->len,
		                            .ifindex = layout_ifindex(a[n].to) };
		n++;
	}
	return n;
}

/* Hands over one batch of what is due. The capture has the time just before. */
static unsigned hand_over(struct wire *w)
{
	struct link_arrival a[RING_BATCH];
	struct ring_out out[RING_BATCH];
	unsigned n = collect(w, a, out);

	if (n == 0)
		return 0;
	int64_t real_ns = host_real_ns();
	w->s->send_errors += ring_send(&w->ring, out, n);
	w->looked_ns = host_mono_ns();
	for (unsigned i = 0; i < n; i++) {
		if (!out[i].failed) {
			atomic_fetch_add_explicit(&w->s->node[a[i].to].gave, 1,
			                          memory_order_relaxed);
			if (w->pcap[a[i].to] != NULL)
				pcapw_add(w->pcap[a[i].to], real_ns, out[i].data, out[i].len,
				          out[i].len);
			if (measured(w, a[i].t_ns))
				hist_add(&w->s->delay_ns, w->looked_ns - a[i].t_ns);
		}
		free_slot(w, a[i].frame);
	}
	return n;
}

/* Carries out a command, if there is one. */
static void obey(struct wire *w)
{
	struct wire_shared *s = w->s;
	uint32_t asked = atomic_load(&s->asked);

	if (asked == atomic_load(&s->done))
		return;
	for (unsigned way = 0; way < 2; way++) {
		s->command_was[way] = links_counts(w->links, s->command_node, way);
		links_set(w->links, s->command_node, way, &s->command_set[way]);
	}
	s->command_ns = host_mono_ns();
	atomic_store(&s->done, asked);
	echo(w);
}

/* Sleeps for a step, whatever comes: most of a frame's cost is waking up for it. */
static void nap(struct wire *w)
{
	int64_t until = w->looked_ns + w->step_ns;
	struct timespec ts = { until / 1000000000, until % 1000000000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	w->looked_ns = host_mono_ns();
}

/* Sleeps until a frame comes, one is due, or the bell rings. */
static void wait(struct wire *w)
{
	struct pollfd p[2] = { { .fd = w->ring.rx, .events = POLLIN },
	                       { .fd = w->o->bell, .events = POLLIN } };
	int64_t until = links_deadline(w->links), ns = IDLE_NS;
	uint64_t rung;

	if (until < w->looked_ns + ns)
		ns = until > w->looked_ns ? until - w->looked_ns : 0;
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };
	if (ppoll(p, 2, &ts, NULL) > 0 && (p[1].revents & POLLIN) != 0)
		(void)!read(w->o->bell, &rung, sizeof(rung));
	w->looked_ns = host_mono_ns();
}

static void loop(struct wire *w)
{
	while (!atomic_load_explicit(&w->s->stop, memory_order_relaxed) ||
	       links_pending(w->links) > 0) {
		w->looked_ns = host_mono_ns();
		unsigned took = take_all(w);
		obey(w);
		unsigned gave = hand_over(w);
		atomic_store_explicit(&w->s->pending, links_pending(w->links),
		                      memory_order_relaxed);
		if (took > 0 || gave > 0)
			w->moved_ns = w->looked_ns;
		if (took == TAKE_MAX || gave == RING_BATCH)
			continue;
		if (w->step_ns > 0 && w->looked_ns - w->moved_ns < STEPS_NS)
			nap(w);
		else if (took == 0 && gave == 0)
			wait(w);
	}
	while (take_all(w) > 0 || hand_over(w) > 0)
		w->looked_ns = host_mono_ns();
}

static uint64_t planned_mqps(const struct plan *p)
{
	uint64_t mqps = 0;

	for (unsigned i = 0; i < p->load_n; i++)
		mqps += plan_load_peak_mqps(&p->load[i]);
	return mqps;
}

/* As the clients' steps: half as long, 100 us from 20,000 queries a second on. */
static int64_t step_length(uint64_t mqps)
{
	if (mqps <= BUSY_MQPS)
		return 0;
	return mqps / 200 < STEP_MAX_NS ? (int64_t)(mqps / 200) : STEP_MAX_NS;
}

/* Slots for a tenth of a second of frames: four of them to a query. */
static unsigned ring_slots(const struct plan *p)
{
	uint64_t mqps = planned_mqps(p);
	unsigned slots = RING_SLOTS_MIN;

	while (slots < RING_SLOTS_MAX && slots < mqps * 4 / 10000)
		slots *= 2;
	return slots;
}

static int open_pcaps(struct wire *w)
{
	const struct plan *p = w->o->plan;
	char path[4096 + PLAN_NAME_TEXT];
	int err = 0;

	w->pcap = calloc(p->node_n, sizeof(struct pcapw *));
	MUST(w->pcap != NULL);
	for (unsigned i = 0; w->o->dir != NULL && i < p->node_n && err == 0; i++) {
		snprintf(path, sizeof(path), "%s/%s.pcap", w->o->dir, p->node[i].name);
		err = pcapw_open(&w->pcap[i], path, PCAPW_BACK);
	}
	return err;
}

static int close_pcaps(struct wire *w)
{
	int err = 0;

	for (unsigned i = 0; i < w->s->nodes; i++) {
		if (w->pcap[i] == NULL)
			continue;
		w->s->node[i].pcap_records = pcapw_records(w->pcap[i]);
		w->s->node[i].pcap_bytes = pcapw_bytes(w->pcap[i]);
		int e = pcapw_close(w->pcap[i]);
		err = err != 0 ? err : e;
	}
	return err;
}

static int make_links(struct wire *w)
{
	const struct plan *p = w->o->plan;
	uint8_t seed[DRBG_SEED];
	size_t need = links_arena_size(p->node_n, 2 * UNDER_WAY_MAX) +
	              arena_need(UNDER_WAY_MAX, sizeof(struct slot));
	int err = host_arena(&w->arena, need);

	if (err != 0)
		return err;
	plan_seed(p, seed);
	w->links = links_init(&w->arena, seed, p->node_n, 2 * UNDER_WAY_MAX);
	w->slot = arena_take(&w->arena, UNDER_WAY_MAX, sizeof(struct slot));
	for (unsigned i = 0; i < p->node_n; i++) {
		struct link_set set = fault_link_planned(&p->node[i].link);
		links_set(w->links, i, LINK_OUT, &set);
		links_set(w->links, i, LINK_IN, &set);
	}
	return 0;
}

/* Short slices and exact timers, where the kernel has them: a waiting frame comes first. */
static void be_prompt(void)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = { .size = 48, .runtime = SLICE_NS };

	(void)prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
	if (sched_getscheduler(0) == SCHED_OTHER)
		(void)syscall(SYS_sched_setattr, 0, &attr, 0);
}

static int64_t cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
	       u.ru_stime.tv_usec;
}

static int start(struct wire *w)
{
	int err = make_links(w);

	if (err != 0)
		return fail(w, err, "no memory for the links");
	w->free_first = UNDER_WAY_MAX;
	w->step_ns = step_length(planned_mqps(w->o->plan));
	routes_init(&w->routes, w->o->plan);
	w->real_ns = host_real_offset_ns();
	err = ring_open(&w->ring, ring_slots(w->o->plan));
	if (err != 0)
		return fail(w, err, "can't open a packet ring");
	err = open_pcaps(w);
	return err != 0 ? fail(w, err, "can't write a capture") : 0;
}

static void publish(struct wire *w)
{
	for (unsigned i = 0; i < w->s->nodes; i++)
		for (unsigned way = 0; way < 2; way++)
			w->s->node[i].link[way] = links_counts(w->links, i, way);
	w->s->ring_drops = ring_drops(&w->ring);
	w->s->cpu_us = cpu_us();
}

int wire_run(const struct wire_options *o, struct wire_shared *s)
{
	struct wire w = { .o = o, .s = s };
	int err;

	s->nodes = o->plan->node_n;
	hist_init(&s->delay_ns);
	be_prompt();
	err = start(&w);
	if (err != 0)
		return err;
	atomic_store(&s->state, WIRE_RUNNING);
	echo(&w);
	loop(&w);
	publish(&w);
	err = close_pcaps(&w);
	if (err != 0)
		return fail(&w, err, "can't write a capture");
	atomic_store(&s->state, WIRE_ENDED);
	return 0;
}
