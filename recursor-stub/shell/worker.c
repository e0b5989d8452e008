/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop of a worker; see worker.h. A wake-up costs three system calls whatever the load: epoll,
 * recvmmsg, sendmmsg. The loop never asks a socket twice: what is left makes epoll return again.
 */
#include "worker.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "lib/host/host.h"
#include "lib/host/net.h"
#include "socket.h"
#include "tcp.h"

enum { EVENTS = 64 };

/* What an epoll event is about: the upper half is one of these, the lower an index or number. */
#define TAG_UDP ((uint64_t)1 << 32)
#define TAG_LISTEN ((uint64_t)2 << 32)
#define TAG_CONN ((uint64_t)3 << 32)
#define TAG_MASK (~(uint64_t)0 << 32)

struct worker {
	struct rec *rec;
	struct tcp *tcp;
	struct udp_batch *batch;
	int epoll;
	unsigned n;                              /* addresses */
	struct udp_socket udp[CONF_LISTEN_MAX];
	int listener[CONF_LISTEN_MAX];
};

static int listen_at(struct worker *w, const struct stub_conf *conf, const struct ep *ep)
{
	struct udp_socket *u = &w->udp[w->n];

	u->local = *ep;
	u->wildcard = ip_is_any(&ep->ip);
	u->fd = socket_bind(ep, false, conf->non_local_bind);
	if (u->fd < 0)
		return u->fd;
	w->listener[w->n] = socket_bind(ep, true, conf->non_local_bind);
	if (w->listener[w->n] < 0)
		return w->listener[w->n];
	net_watch(w->epoll, u->fd, TAG_UDP | w->n);
	net_watch(w->epoll, w->listener[w->n], TAG_LISTEN | w->n);
	w->n++;
	return 0;
}

struct worker *worker_new(const struct stub_conf *conf, struct rec *rec,
                          _Atomic uint32_t *tcp_clients, struct ep *where, int *err)
{
	struct worker *w = calloc(1, sizeof(*w));

	MUST(w != NULL);
	w->rec = rec;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	MUST(w->epoll >= 0);
	w->batch = udp_batch_new();
	w->tcp = tcp_new(conf, rec, w->epoll, TAG_CONN, tcp_clients);
	for (unsigned i = 0; i < conf->listen_n; i++) {
		*where = conf->listen[i];
		*err = listen_at(w, conf, &conf->listen[i]);
		if (*err == 0)
			continue;
		udp_batch_free(w->batch); /* the program ends: sockets go with it */
		tcp_free(w->tcp);
		free(w);
		return NULL;
	}
	return w;
}

static void serve_udp(struct worker *w, unsigned i, int64_t now_ns)
{
	bool send[DGRAM_BATCH], any = false;
	struct dgram *d = udp_batch_clear(w->batch);
	unsigned n = udp_read(w->batch, &w->udp[i], (uint16_t)i);

	rec_rx(w->rec, now_ns, d, n);
	for (unsigned k = 0; k < n; k++) {
		send[k] = rec_verdict_sends((enum rec_verdict)d[k].verdict);
		any = any || send[k];
	}
	if (any)
		udp_send(w->batch, &w->udp[i], d, n, send);
}

/* Sends what was due, socket by socket. */
static void send_due(struct worker *w, const struct dgram *d, unsigned n, int64_t now_ns)
{
	bool send[DGRAM_BATCH];

	for (unsigned i = 0; i < w->n; i++) {
		bool any = false;
		for (unsigned k = 0; k < n; k++) {
			send[k] = d[k].proto == DGRAM_UDP && d[k].port == i;
			any = any || send[k];
		}
		if (any)
			udp_send(w->batch, &w->udp[i], d, n, send);
	}
	for (unsigned k = 0; k < n; k++)
		if (d[k].proto == DGRAM_TCP)
			tcp_answer(w->tcp, &d[k], now_ns);
}

static void poll_due(struct worker *w, int64_t now_ns)
{
	while (rec_deadline(w->rec) <= now_ns) {
		struct dgram *d = udp_batch_clear(w->batch);
		send_due(w, d, rec_poll(w->rec, now_ns, d, DGRAM_BATCH), now_ns);
	}
}

static int wait_events(const struct worker *w, struct epoll_event *e)
{
	int64_t a = rec_deadline(w->rec), b = tcp_deadline(w->tcp);

	return net_wait(w->epoll, e, EVENTS, a < b ? a : b);
}

static void serve_event(struct worker *w, const struct epoll_event *e, int64_t now_ns)
{
	uint32_t n = (uint32_t)e->data.u64;

	switch (e->data.u64 & TAG_MASK) {
	case TAG_UDP: serve_udp(w, n, now_ns); break;
	case TAG_LISTEN: tcp_accept(w->tcp, w->listener[n], now_ns); break;
	case TAG_CONN: tcp_ready(w->tcp, n, e->events, now_ns); break;
	default: break;
	}
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct epoll_event e[EVENTS];

	for (;;) {
		int n = wait_events(w, e);
		int64_t now_ns = host_mono_ns();
		poll_due(w, now_ns);
		for (int i = 0; i < n; i++)
			serve_event(w, &e[i], now_ns);
		tcp_expire(w->tcp, now_ns);
	}
	return NULL;
}

int worker_start(struct worker *w)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, run, w);

	return err == 0 ? pthread_detach(thread) : -err;
}
