/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's sockets and its loop; see worker.h. */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/host/host.h"
#include "lib/host/net.h"
#include "socket.h"
#include "tcp.h"

enum {
	POOL = 4 * DGRAM_BATCH,     /* datagrams of one pass */
	BUFFER = 4096,              /* bytes of one datagram */
	STRIDE = BUFFER + 192,      /* so that buffers' first lines spread over the cache */
	NONE = UINT16_MAX,
	EVENTS = 64,
	REOPEN_NS = 1000000000,     /* a server's socket is tried again this often */
	TIMER_SLACK_NS = 1000000,   /* queries' time-outs may be this late */
};

#define ASKED UINT64_MAX            /* event: somebody wants the counts */

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
	struct recent *recent;
	struct arena arena;
	int epoll, asked;
	pthread_t thread;
	pthread_mutex_t asking;         /* of those who ask */
	sem_t answered;
	struct worker_counts snapshot;  /* written by the thread before it posts answered */
	uint64_t own[WORKER_COUNT_N], back_failed;
	int64_t now_ns;             /* of this pass */
	unsigned front_n, out_n;
	struct out *out;            /* fronts, then the core's ports 1... */
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

/* ---- receiving ---- */

static void reset_front(struct worker *w, unsigned i)
{
	w->front_in[i].msg_hdr.msg_namelen = sizeof(w->name_in[i]);
	w->front_in[i].msg_hdr.msg_controllen = NET_CONTROL;
}

static void init_messages(struct worker *w)
{
	for (unsigned i = 0; i < POOL; i++) {
		struct msghdr *m = &w->front_in[i].msg_hdr;
		w->iov[i] = (struct iovec){ w->buffer[i], BUFFER };
		m->msg_iov = w->back_in[i].msg_hdr.msg_iov = &w->iov[i];
		m->msg_iovlen = w->back_in[i].msg_hdr.msg_iovlen = 1;
		m->msg_name = &w->name_in[i];
		m->msg_control = w->control_in[i];
		reset_front(w, i);
	}
}

/* The length as the core sees it; what was cut off counts as nothing. */
static uint16_t length(struct worker *w, const struct mmsghdr *m)
{
	if ((m->msg_hdr.msg_flags & MSG_TRUNC) == 0)
		return (uint16_t)m->msg_len;
	w->own[WORKER_TOO_BIG]++;
	return 0;
}

static struct dgram *new_dgram(struct worker *w, const struct mmsghdr *m)
{
	unsigned i = w->n++;
	struct dgram *d = &w->d[i];

	d->data = w->buffer[i];
	d->len = length(w, m);
	d->cap = BUFFER;
	d->verdict = 0;
	d->proto = DGRAM_UDP;
	d->conn = 0;
	return d;
}

/* How many datagrams there were; 0 also for the network's error reports. */
static unsigned receive(struct worker *w, int fd, struct mmsghdr *m)
{
	unsigned room = POOL - w->n;
	int n = recvmmsg(fd, m, room < DGRAM_BATCH ? room : DGRAM_BATCH, 0, NULL);

	if (n >= 0)
		return (unsigned)n;
	if (errno != EAGAIN && errno != EINTR)
		w->own[WORKER_REFUSED]++;
	return 0;
}

static void receive_front(struct worker *w, const struct out *o)
{
	struct mmsghdr *m = &w->front_in[w->n];
	unsigned first = w->n, n = receive(w, o->fd, m);

	for (unsigned i = 0; i < n; i++) {
		struct dgram *d = new_dgram(w, &m[i]);
		d->peer = host_ep(m[i].msg_hdr.msg_name);
		d->local = o->ep;
		if (o->wildcard)
			net_asked(&m[i].msg_hdr, &d->local.ip);
		d->port = 0;
		reset_front(w, first + i);
	}
}

static void receive_back(struct worker *w, unsigned index)
{
	const struct out *o = &w->out[index];
	struct mmsghdr *m = &w->back_in[w->n];
	unsigned n = receive(w, o->fd, m);

	for (unsigned i = 0; i < n; i++) {
		struct dgram *d = new_dgram(w, &m[i]);
		d->peer = o->ep; /* the socket is connected */
		d->port = (uint16_t)(index - w->front_n + 1);
	}
}

/* ---- sending ---- */

/* The front socket that an answer leaves from: bound to its address, else the wildcard. */
static unsigned front_of(const struct worker *w, const struct ep *local)
{
	unsigned found = 0;

	for (unsigned i = 0; i < w->front_n; i++) {
		if (ep_eq(&w->out[i].ep, local))
			return i;
		if (w->out[i].wildcard && w->out[i].ep.port == local->port &&
		    ip_is4(&w->out[i].ep.ip) == ip_is4(&local->ip))
			found = i;
	}
	return found;
}

static void queue(struct worker *w, unsigned i)
{
	const struct dgram *d = &w->d[i];
	unsigned at = d->port > 0 ? w->front_n + d->port - 1u
	              : w->front_n > 1 ? front_of(w, &d->local) : 0;
	struct out *o = &w->out[at];

	w->next[i] = NONE;
	if (o->first == NONE) {
		o->first = (uint16_t)i;
		w->touched[w->touched_n++] = (uint16_t)at;
	} else {
		w->next[o->last] = (uint16_t)i;
	}
	o->last = (uint16_t)i;
}

static void fill(struct worker *w, const struct out *o, bool front, unsigned at, unsigned i)
{
	struct msghdr *m = &w->send[at].msg_hdr;
	const struct dgram *d = &w->d[i];

	w->send_iov[at] = (struct iovec){ d->data, d->len };
	*m = (struct msghdr){ .msg_iov = &w->send_iov[at], .msg_iovlen = 1 };
	if (!front)
		return;
	m->msg_name = &w->send_name[at];
	m->msg_namelen = host_sockaddr(&d->peer, &w->send_name[at]);
	if (o->wildcard)
		net_leave_from(m, w->control_out[at], &d->local.ip);
}

/*
 * Sends n messages. An error belongs to the first that wasn't sent; a report about an earlier query
 * (ICMP) is used up by it, so that one is tried twice.
 */
static void send_all(struct worker *w, int fd, unsigned n)
{
	bool again = false;

	for (unsigned done = 0; done < n;) {
		int sent = sendmmsg(fd, w->send + done, n - done, 0);
		if (sent > 0) {
			done += (unsigned)sent;
			again = false;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			w->own[WORKER_SEND_FULL] += n - done;
			return;
		} else if (errno != EINTR && !again) {
			w->own[WORKER_REFUSED]++;
			again = true;
		} else if (errno != EINTR) {
			w->own[WORKER_SEND_FAILED]++;
			done++;
			again = false;
		}
	}
}

/* Tries to open a server's socket that couldn't be opened before. */
static void reopen(struct worker *w, struct out *o, unsigned index)
{
	if (w->now_ns < o->reopen_ns)
		return;
	o->reopen_ns = w->now_ns + REOPEN_NS;
	int fd = socket_back(&o->ep);
	if (fd < 0)
		return;
	o->fd = fd;
	net_watch(w->epoll, fd, index);
}

static void flush(struct worker *w, unsigned index)
{
	struct out *o = &w->out[index];
	bool front = index < w->front_n;
	unsigned i = o->first;
	uint64_t failed = w->own[WORKER_SEND_FAILED];

	if (o->fd < 0)
		reopen(w, o, index);
	while (i != NONE) {
		unsigned n = 0;
		for (; i != NONE && n < DGRAM_BATCH; i = w->next[i])
			fill(w, o, front, n++, i);
		if (o->fd >= 0)
			send_all(w, o->fd, n);
		else
			w->own[WORKER_SEND_FAILED] += n;
	}
	if (!front)
		w->back_failed += w->own[WORKER_SEND_FAILED] - failed;
	o->first = NONE;
}

/* ---- the loop ---- */

/* What time alone makes: SERVFAIL at time-outs. What finds no room here comes at the next pass. */
static void poll_core(struct worker *w)
{
	unsigned room = POOL - w->n, n;

	for (unsigned i = w->n; i < POOL; i++)
		w->d[i] = (struct dgram){ .data = w->buffer[i], .cap = BUFFER };
	n = bal_poll(w->bal, w->now_ns, &w->d[w->n], room);
	w->n += n;
}

static void judge_and_send(struct worker *w)
{
	w->now_ns = host_mono_ns();
	if (w->n > 0) {
		for (unsigned i = 0; i < w->n; i++)
			w->d[i].t_ns = w->now_ns;
		recent_rx(w->recent, w->bal, w->now_ns, w->d, w->n);
	}
	if (bal_deadline(w->bal) <= w->now_ns)
		poll_core(w);
	w->touched_n = 0;
	for (unsigned i = 0; i < w->n; i++)
		if (bal_verdict_sends(w->d[i].verdict))
			queue(w, i);
	for (unsigned i = 0; i < w->touched_n; i++)
		flush(w, w->touched[i]);
}

static void answer_counts(struct worker *w)
{
	uint64_t unused;
	ssize_t got = read(w->asked, &unused, sizeof(unused));

	if (got != sizeof(unused))
		return;
	for (unsigned v = 0; v < BAL_VERDICTS; v++)
		w->snapshot.verdict[v] = bal_count(w->bal, v);
	w->snapshot.timeouts = bal_timeouts(w->bal);
	w->snapshot.outstanding = bal_outstanding(w->bal);
	w->snapshot.cache_misses = bal_cache_misses(w->bal);
	w->snapshot.not_cached = bal_not_cached(w->bal);
	memcpy(w->snapshot.own, w->own, sizeof(w->own));
	for (unsigned i = 0; i < BAL_TCP_COUNT_N; i++)
		w->snapshot.tcp[i] = bal_tcp_count(w->bal, i);
	w->snapshot.tcp_outstanding = bal_tcp_outstanding(w->bal);
	w->snapshot.tcp_clients = bal_tcp_open(w->bal, false);
	w->snapshot.tcp_servers = bal_tcp_open(w->bal, true);
	w->snapshot.tcp_stuck = tcp_shell_stuck(w->tcp);
	w->snapshot.back_failed = w->back_failed;
	w->snapshot.counts = *bal_counts(w->bal);
	for (unsigned i = 0; i < w->conf->server_n; i++)
		w->snapshot.server[i] = *bal_server_counts(w->bal, i);
	sem_post(&w->answered);
}

static int64_t next_ns(const struct worker *w)
{
	int64_t udp = bal_deadline(w->bal), tcp = tcp_shell_deadline(w->tcp);

	return udp < tcp ? udp : tcp;
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct epoll_event events[EVENTS];

	prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
	for (;;) {
		int n = net_wait(w->epoll, events, EVENTS, next_ns(w));
		w->n = 0;
		w->own[WORKER_PASSES]++;
		for (int i = 0; i < n && w->n < POOL; i++) {
			uint64_t what = events[i].data.u64;
			if (what == ASKED)
				answer_counts(w);
			else if (what < w->front_n)
				receive_front(w, &w->out[what]);
			else if (what >= TCP_EVENT_LISTEN)
				tcp_shell_event(w->tcp, what, events[i].events, host_mono_ns());
			else
				receive_back(w, (unsigned)what);
		}
		judge_and_send(w);
		tcp_shell_pass(w->tcp, w->now_ns);
	}
	return NULL;
}

/* ---- set-up ---- */

/* The same address twice is one socket. */
static bool front_known(const struct worker *w, const struct ep *ep)
{
	for (unsigned i = 0; i < w->front_n; i++)
		if (ep_eq(&w->out[i].ep, ep))
			return true;
	return false;
}

static int listen_at(struct worker *w, unsigned front)
{
	const struct bal_listen *l = &w->conf->listen[front];

	if (l->udp_only || w->conf->tcp.conns == 0)
		return 0;
	int fd = socket_listen(&w->conf->front[front], l->queue, true);
	if (fd < 0)
		return fd;
	tcp_shell_listen(w->tcp, fd, front);
	return 0;
}

static int open_fronts(struct worker *w, unsigned *bad)
{
	for (unsigned i = 0; i < w->conf->front_n; i++) {
		const struct ep *ep = &w->conf->front[i];
		if (front_known(w, ep))
			continue;
		int fd = socket_front(ep, true);
		int err = fd < 0 ? fd : listen_at(w, i);
		if (err < 0) {
			*bad = i;
			return err;
		}
		socket_buffers(fd, w->conf->quirks.udp_receive, w->conf->quirks.udp_send);
		net_watch(w->epoll, fd, w->front_n);
		w->out[w->front_n++] = (struct out){ .fd = fd, .wildcard = ip_is_any(&ep->ip),
		                                     .first = NONE, .ep = *ep };
	}
	w->out_n = w->front_n;
	return 0;
}

/* One that fails (no route, no more files) is told of, and tried again when it is needed. */
static void open_back(struct worker *w, const struct bal_server *s, bool tell)
{
	struct out o = { .fd = socket_back(&s->addr), .first = NONE, .ep = s->addr };
	char text[EP_TEXT];

	if (o.fd >= 0) {
		net_watch(w->epoll, o.fd, w->out_n);
	} else if (tell) {
		ep_format(&s->addr, text);
		fprintf(stderr, "can't open a socket to %s: %s\n", text, strerror(-o.fd));
	}
	w->out[w->out_n++] = o;
}

static void open_backs(struct worker *w, bool tell)
{
	for (unsigned s = 0; s < w->conf->server_n; s++)
		for (unsigned k = 0; k < w->conf->server[s].sockets; k++)
			open_back(w, &w->conf->server[s], tell && k == 0);
}

static int take_memory(struct worker *w, const struct bal_conf *conf)
{
	unsigned outs = conf->front_n + bal_ports(conf) - 1;

	MUST(outs < NONE);
	w->out = calloc(outs > 0 ? outs : 1, sizeof(*w->out));
	w->touched = calloc(outs > 0 ? outs : 1, sizeof(*w->touched));
	w->snapshot.server = calloc(conf->server_n + 1u, sizeof(*w->snapshot.server));
	MUST(w->out != NULL && w->touched != NULL && w->snapshot.server != NULL);
	MUST(pthread_mutex_init(&w->asking, NULL) == 0);
	return host_arena(&w->arena, bal_arena_size(conf));
}

struct worker *worker_new(const struct bal_conf *conf, struct bal_shared *shared,
                          const uint8_t seed[32], unsigned index, unsigned *bad, int *err)
{
	struct worker *w = calloc(1, sizeof(*w));

	MUST(w != NULL);
	w->conf = conf;
	*bad = conf->front_n;
	*err = take_memory(w, conf);
	if (*err < 0)
		return NULL;
	w->bal = bal_init(&w->arena, conf, shared, seed, index);
	arena_seal(&w->arena);
	init_messages(w);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->asked = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	MUST(w->epoll >= 0 && w->asked >= 0 && sem_init(&w->answered, 0, 0) == 0);
	net_watch(w->epoll, w->asked, ASKED);
	w->recent = recent_new(conf->quirks.recent);
	w->tcp = tcp_shell_new(conf, w->bal, w->epoll);
	tcp_shell_keep(w->tcp, w->recent);
	*err = open_fronts(w, bad);
	if (*err < 0)
		return NULL; /* the program ends: nothing to give back */
	open_backs(w, index == 0);
	return w;
}

void worker_start(struct worker *w)
{
	MUST(pthread_create(&w->thread, NULL, run, w) == 0);
}

/* Has the thread write its snapshot. False: it didn't within a second. */
static bool ask(struct worker *w)
{
	const uint64_t one = 1;
	struct timespec until;

	while (sem_trywait(&w->answered) == 0)
		continue; /* an answer that came too late the last time */
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	return write(w->asked, &one, sizeof(one)) == sizeof(one) &&
	       sem_timedwait(&w->answered, &until) == 0;
}

static void add_message_counts(struct bal_counts *to, const struct bal_counts *from)
{
	uint64_t before = 0, now = 0;

	for (unsigned i = 0; i < BAL_TOOK_N; i++) {
		before += to->took[i];
		now += from->took[i];
		to->took[i] += from->took[i];
	}
	for (unsigned i = 0; i < BAL_AVERAGES && now > 0; i++) /* by how many each has answered */
		to->average[i] += (from->average[i] - to->average[i]) /
		                  (int64_t)((before + now) / now);
	for (unsigned i = 0; i < COUNT_OF(to->rcode); i++)
		to->rcode[i] += from->rcode[i];
	to->rd_queries += from->rd_queries;
	to->servfail_responses += from->servfail_responses;
	to->took_us += from->took_us;
}

static void add_counts(struct worker *w, struct worker_counts *c)
{
	for (unsigned v = 0; v < BAL_VERDICTS; v++)
		c->verdict[v] += w->snapshot.verdict[v];
	c->timeouts += w->snapshot.timeouts;
	c->outstanding += w->snapshot.outstanding;
	c->cache_misses += w->snapshot.cache_misses;
	c->not_cached += w->snapshot.not_cached;
	for (unsigned i = 0; i < WORKER_COUNT_N; i++)
		c->own[i] += w->snapshot.own[i];
	for (unsigned i = 0; i < BAL_TCP_COUNT_N; i++)
		c->tcp[i] += w->snapshot.tcp[i];
	c->tcp_outstanding += w->snapshot.tcp_outstanding;
	c->tcp_clients += w->snapshot.tcp_clients;
	c->tcp_servers += w->snapshot.tcp_servers;
	c->tcp_stuck += w->snapshot.tcp_stuck;
	c->back_failed += w->snapshot.back_failed;
	add_message_counts(&c->counts, &w->snapshot.counts);
	for (unsigned i = 0; c->server != NULL && i < w->conf->server_n; i++) {
		c->server[i].queries += w->snapshot.server[i].queries;
		c->server[i].responses += w->snapshot.server[i].responses;
		c->server[i].timeouts += w->snapshot.server[i].timeouts;
	}
}

struct recent *worker_recent(const struct worker *w)
{
	return w->recent;
}

void worker_add_counts(struct worker *w, struct worker_counts *c)
{
	pthread_mutex_lock(&w->asking);
	if (ask(w))
		add_counts(w, c);
	pthread_mutex_unlock(&w->asking);
}
