/* SPDX-License-Identifier: BSD-3-Clause */
/* Probes over the network, and dnsdist's lines about them; see watch.h. */
#include "watch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/host/host.h"
#include "lib/host/net.h"
#include "probe.h"
#include "slow.h"

enum { POLL = 64 };

#define ORDERED (WATCH_MAX - 1) /* event: there is an order */

/* What another thread wants: to drain or not to, mode, or the state where mode is 0. */
struct order {
	bool waits;         /* to be carried out */
	unsigned server;
	enum bal_check_mode mode;
	bool up, drain, drained;
};

struct watch {
	const struct bal_conf *conf;
	struct health *health;
	struct bal_shared *shared;
	struct slow *slow;
	struct arena arena;
	int epoll;
	unsigned probe_n;   /* slots, some of them free */
	struct probe *probe;
	pthread_mutex_t turn;       /* of those who order */
	pthread_mutex_t lock;       /* of order */
	pthread_cond_t done;
	int ordered;                /* eventfd */
	struct order order;
	uint8_t answer[PROBE_ANSWER];
	uint8_t out[POLL][HEALTH_PROBE_MAX];
};

struct watch *watch_new(const struct bal_conf *conf, struct bal_shared *shared,
                        const uint8_t seed[32], int epoll)
{
	struct watch *w = calloc(1, sizeof(*w));

	MUST(w != NULL && host_arena(&w->arena, health_arena_size(conf)) == 0);
	w->conf = conf;
	w->shared = shared;
	w->slow = slow_new(conf, shared);
	w->epoll = epoll;
	w->health = health_init(&w->arena, conf, shared, seed, host_mono_ns());
	arena_seal(&w->arena);
	MUST(pthread_mutex_init(&w->turn, NULL) == 0 && pthread_mutex_init(&w->lock, NULL) == 0 &&
	     pthread_cond_init(&w->done, NULL) == 0);
	w->ordered = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	MUST(w->ordered >= 0);
	net_watch(epoll, w->ordered, ORDERED);
	return w;
}

static struct probe *free_probe(struct watch *w)
{
	for (unsigned i = 0; i < w->probe_n; i++)
		if (w->probe[i].state == PROBE_FREE)
			return &w->probe[i];
	w->probe = realloc(w->probe, (w->probe_n + 1) * sizeof(*w->probe));
	MUST(w->probe != NULL);
	w->probe[w->probe_n] = (struct probe){ .state = PROBE_FREE, .fd = -1 };
	return &w->probe[w->probe_n++];
}

static void send_probe(struct watch *w, int64_t now_ns, const struct dgram *d)
{
	struct probe *p = free_probe(w);

	if (!probe_open(p, d, &w->conf->server[d->port - 1u], w->epoll, (uint64_t)(p - w->probe)))
		health_refused(w->health, now_ns, d->port - 1u, d->conn);
}

static void drain(struct watch *w, const struct order *o)
{
	char name[SLOW_NAME];

	if (!bal_shared_drain(w->shared, o->server, o->drained, host_mono_ns()))
		return;
	slow_name(&w->conf->server[o->server], name);
	if (o->drained)
		printf("Draining downstream %s\n", name);
	else
		printf("Downstream %s takes queries again\n", name);
	fflush(stdout);
}

static void carry_out(struct watch *w)
{
	uint64_t unused;
	ssize_t got = read(w->ordered, &unused, sizeof(unused));

	(void)got;
	pthread_mutex_lock(&w->lock);
	struct order *o = &w->order;
	if (o->waits && o->drain)
		drain(w, o);
	else if (o->waits && o->mode != 0)
		health_set_mode(w->health, host_mono_ns(), o->server, o->mode);
	else if (o->waits && bal_shared_mode(w->shared, o->server) == BAL_CHECK_AUTO)
		health_set_state(w->health, host_mono_ns(), o->server, o->up);
	o->waits = false;
	pthread_cond_signal(&w->done);
	pthread_mutex_unlock(&w->lock);
}

/* A message has come in answer to p. */
static void judge_answer(struct watch *w, const struct probe *p, uint16_t len)
{
	int64_t now_ns = host_mono_ns();
	struct dgram d = {
		.data = w->answer, .t_ns = now_ns, .peer = w->conf->server[p->server].addr,
		.len = len, .cap = PROBE_ANSWER, .port = (uint16_t)(1 + p->server),
		.conn = p->conn, .proto = p->state == PROBE_UDP ? DGRAM_UDP : DGRAM_TCP,
	};

	health_rx(w->health, now_ns, &d, 1);
}

void watch_event(struct watch *w, uint64_t what)
{
	struct probe *p = what < w->probe_n ? &w->probe[what] : NULL;
	enum probe_news news = PROBE_NOTHING;
	uint16_t len = 0;

	if (what == ORDERED)
		carry_out(w);
	if (p == NULL || p->state == PROBE_FREE)
		return;
	do {
		news = probe_event(p, w->epoll, what, w->answer, &len);
		if (news == PROBE_MESSAGE)
			judge_answer(w, p, len);
		else if (news == PROBE_FAILED)
			health_refused(w->health, host_mono_ns(), p->server, p->conn);
	} while (news == PROBE_MESSAGE && health_waits(w->health, p->server, p->conn));
}

static void poll_probes(struct watch *w)
{
	struct dgram d[POLL];
	unsigned n;

	do {
		int64_t now_ns = host_mono_ns();
		for (unsigned i = 0; i < POLL; i++)
			d[i] = (struct dgram){ .data = w->out[i], .cap = HEALTH_PROBE_MAX };
		n = health_poll(w->health, now_ns, d, POLL);
		for (unsigned i = 0; i < n; i++)
			send_probe(w, now_ns, &d[i]);
	} while (n == POLL);
}

static void close_ended(struct watch *w)
{
	for (unsigned i = 0; i < w->probe_n; i++) {
		struct probe *p = &w->probe[i];
		if (p->state != PROBE_FREE && !health_waits(w->health, p->server, p->conn))
			probe_close(p);
	}
}

static void print_changes(struct watch *w)
{
	struct health_change c;
	char name[SLOW_NAME];

	while (health_next_change(w->health, &c)) {
		slow_name(&w->conf->server[c.server], name);
		printf("Marking downstream %s as '%s'\n", name, c.up ? "up" : "down");
		fflush(stdout);
	}
}

void watch_pass(struct watch *w)
{
	poll_probes(w);
	close_ended(w);
	print_changes(w);
	slow_pass(w->slow, host_mono_ns());
}

int64_t watch_deadline(const struct watch *w)
{
	int64_t health = health_deadline(w->health), slow = slow_deadline(w->slow);

	return slow < health ? slow : health;
}

bool watch_ready(const struct watch *w)
{
	return health_ready(w->health);
}

static void give_order(struct watch *w, struct order order)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&w->turn);
	pthread_mutex_lock(&w->lock);
	order.waits = true;
	w->order = order;
	MUST(write(w->ordered, &one, sizeof(one)) == sizeof(one));
	while (w->order.waits)
		pthread_cond_wait(&w->done, &w->lock);
	pthread_mutex_unlock(&w->lock);
	pthread_mutex_unlock(&w->turn);
}

void watch_set_mode(struct watch *w, unsigned server, enum bal_check_mode mode)
{
	give_order(w, (struct order){ .server = server, .mode = mode });
}

void watch_drain(struct watch *w, unsigned server, bool drained)
{
	give_order(w, (struct order){ .server = server, .drain = true, .drained = drained });
}

void watch_set_state(struct watch *w, unsigned server, bool up)
{
	give_order(w, (struct order){ .server = server, .up = up });
}
