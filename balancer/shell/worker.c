/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's sockets and its loop; see worker.h. */
#include "worker_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "rule_log.h"
#include "socket.h"

enum {
	TIMER_SLACK_NS = 1000000,   /* queries' time-outs may be this late */
	REST_QUERIES = 4096,        /* after so many on their way, memory is given back */
};

#define REST_NS INT64_C(2000000000) /* and not sooner */
#define ASKED UINT64_MAX            /* event: somebody wants the counts, or a reload waits */

/* An answer that came over TCP to a query that came over UDP. */
static void send_datagram(void *of, const struct dgram *d)
{
	io_send_one(((struct worker *)of)->io, d);
}

/* ---- the loop ---- */

/*
 * What time alone makes: delayed answers, SERVFAIL at time-outs. What finds no room here comes at
 * the next pass, which is at once.
 */
static void poll_core(struct worker *w)
{
	struct io *io = w->io;
	unsigned room = io_room(io);

	io->n += bal_poll(w->bal, w->now_ns, &io->d[io->n], room);
}

static void judge_and_send(struct worker *w)
{
	struct io *io = w->io;

	w->now_ns = host_mono_ns();
	if (io->n > 0) {
		for (unsigned i = 0; i < io->n; i++)
			io->d[i].t_ns = w->now_ns;
		recent_rx(w->recent, w->bal, w->now_ns, io->d, io->n);
	}
	if (bal_deadline(w->bal) <= w->now_ns)
		poll_core(w);
	io_send(io, w->now_ns);
}

static void answer_counts(struct worker *w)
{
	for (unsigned v = 0; v < BAL_VERDICTS; v++)
		w->snapshot.verdict[v] = bal_count(w->bal, v);
	w->snapshot.timeouts = bal_timeouts(w->bal);
	w->snapshot.outstanding = bal_outstanding(w->bal);
	w->snapshot.cache_misses = bal_cache_misses(w->bal);
	w->snapshot.not_cached = bal_not_cached(w->bal);
	w->snapshot.not_logged = bal_not_logged(w->bal);
	memcpy(w->snapshot.own, w->io->count, sizeof(w->snapshot.own));
	for (unsigned i = 0; i < BAL_TCP_COUNT_N; i++)
		w->snapshot.tcp[i] = bal_tcp_count(w->bal, i);
	w->snapshot.tcp_outstanding = bal_tcp_outstanding(w->bal);
	w->snapshot.tcp_clients = bal_tcp_open(w->bal, false);
	w->snapshot.tcp_servers = bal_tcp_open(w->bal, true);
	w->snapshot.tcp_stuck = tcp_shell_stuck(w->tcp);
	w->snapshot.back_failed = w->io->back_failed;
	w->snapshot.counts = *bal_counts(w->bal);
	for (unsigned i = 0; i < w->conf->server_n; i++)
		w->snapshot.server[i] = *bal_server_counts(w->bal, i);
	for (unsigned i = 0; i < bal_pools(w->conf); i++)
		w->snapshot.pool[i] = bal_pool_counts(w->bal, i);
	for (unsigned c = 0; w->conf->rules != NULL && c < BAL_CHAINS; c++)
		for (unsigned i = 0; i < w->conf->rules->chain[c].n; i++)
			w->snapshot.matches[c][i] = bal_matches(w->bal, c, i);
	sem_post(&w->answered);
}

static void tell_failures(struct worker *w)
{
	char line[SCRIPT_NEWS_TEXT];

	if (script_news(w->script, w->now_ns, line))
		fprintf(stderr, "%s\n", line);
}

static int64_t next_ns(const struct worker *w)
{
	int64_t udp = bal_deadline(w->bal), tcp = tcp_shell_deadline(w->tcp);
	int64_t own = w->retire_ns < w->rest_ns ? w->retire_ns : w->rest_ns;
	int64_t first = udp < tcp ? udp : tcp;

	return first < own ? first : own;
}

/* Somebody wants something: the counts, or a reload, which waits for the end of this pass. */
static void heed(struct worker *w)
{
	uint64_t unused;

	if (read(w->asked, &unused, sizeof(unused)) != sizeof(unused))
		return;
	if (atomic_load(&w->reload) == NULL)
		answer_counts(w);
	else
		w->switching = true;
}

static void switch_over(struct worker *w)
{
	struct worker_next *next = atomic_exchange(&w->reload, NULL);

	w->switching = false;
	worker_take_over(w, next);
	sem_post(&w->switched);
}

/* Gives back what many queries at once took, when it is time and none is out. */
static void rest(struct worker *w)
{
	void *memory;

	if (bal_outstanding(w->bal) > REST_QUERIES)
		w->rest_ns = w->now_ns + REST_NS;
	if (w->rest_ns > w->now_ns)
		return;
	size_t len = bal_rest(w->bal, &memory);
	w->rest_ns = len == 0 ? w->now_ns + REST_NS : INT64_MAX;
	if (len > 0)
		host_give_back(memory, len);
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct io *io = w->io;

	prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
	io_start(io);
	for (;;) {
		io_wait(io, next_ns(w));
		for (unsigned i = 0; i < io->event_n; i++) {
			const struct epoll_event *e = &io->event[i];
			if (e->data.u64 == ASKED)
				heed(w);
			else
				tcp_shell_event(w->tcp, e->data.u64, e->events, host_mono_ns());
		}
		judge_and_send(w);
		tcp_shell_pass(w->tcp, w->now_ns);
		if (w->script != NULL)
			tell_failures(w);
		rule_log_pass(w->log, w->bal);
		if (w->switching)
			switch_over(w);
		if (w->retire_ns <= w->now_ns)
			worker_retire(w);
		rest(w);
	}
	return NULL;
}

/* ---- set-up ---- */

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
		if (io_has_front(w->io, ep)) /* the same address twice is one socket */
			continue;
		int fd = socket_front(ep, true);
		int err = fd < 0 ? fd : listen_at(w, i);
		if (err < 0) {
			*bad = i;
			return err;
		}
		socket_buffers(fd, w->conf->quirks.udp_receive, w->conf->quirks.udp_send);
		io_add_front(w->io, fd, ep);
	}
	return 0;
}

const _Atomic uint32_t *worker_changes(const struct worker *w, const struct bal_server *s)
{
	return s->reconnect ? &w->shared->server[s - w->conf->server].transitions : NULL;
}

/* One that fails (no route, no more files) is told of, and tried again when it is needed. */
void worker_open_back(struct worker *w, const struct bal_server *s, bool tell)
{
	int fd = socket_back(s);
	char text[EP_TEXT];

	if (fd < 0 && tell) {
		ep_format(&s->addr, text);
		fprintf(stderr, "can't open a socket to %s: %s\n", text, strerror(-fd));
	}
	io_add_back(w->io, fd < 0 ? -1 : fd, s, worker_changes(w, s));
}

static void open_backs(struct worker *w, bool tell)
{
	for (unsigned s = 0; s < w->conf->server_n; s++)
		for (unsigned k = 0; k < w->conf->server[s].sockets; k++)
			worker_open_back(w, &w->conf->server[s], tell && k == 0);
}

void worker_take_matches(struct worker_counts *c, const struct bal_conf *conf)
{
	for (unsigned i = 0; conf->rules != NULL && i < BAL_CHAINS; i++) {
		c->matches[i] = calloc(conf->rules->chain[i].n + 1u, sizeof(*c->matches[i]));
		MUST(c->matches[i] != NULL);
	}
}

void worker_make_snapshot(struct worker *w)
{
	for (unsigned i = 0; i < BAL_CHAINS; i++) {
		free(w->snapshot.matches[i]);
		w->snapshot.matches[i] = NULL;
	}
	free(w->snapshot.server);
	free(w->snapshot.pool);
	w->snapshot.server = calloc(w->conf->server_n + 1u, sizeof(*w->snapshot.server));
	w->snapshot.pool = calloc(bal_pools(w->conf), sizeof(*w->snapshot.pool));
	MUST(w->snapshot.server != NULL && w->snapshot.pool != NULL);
	worker_take_matches(&w->snapshot, w->conf);
}

static int take_memory(struct worker *w, const struct bal_conf *conf)
{
	worker_make_snapshot(w);
	MUST(pthread_mutex_init(&w->asking, NULL) == 0);
	return host_arena(&w->arena, bal_arena_size(conf));
}

struct worker *worker_new(const struct bal_conf *conf, struct bal_shared *shared,
                          const uint8_t seed[32], unsigned index, enum io_choice choice,
                          unsigned *bad, int *err)
{
	struct worker *w = calloc(1, sizeof(*w));

	MUST(w != NULL);
	w->conf = conf;
	w->shared = shared;
	*bad = conf->front_n;
	*err = take_memory(w, conf);
	if (*err < 0)
		return NULL;
	w->bal = bal_init(&w->arena, conf, shared, seed, index);
	arena_seal(&w->arena);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->asked = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	MUST(w->epoll >= 0 && w->asked >= 0 && sem_init(&w->answered, 0, 0) == 0 &&
	     sem_init(&w->switched, 0, 0) == 0);
	w->retire_ns = w->rest_ns = INT64_MAX;
	net_watch(w->epoll, w->asked, ASKED);
	w->recent = recent_new(conf->quirks.recent);
	w->tcp = tcp_shell_new(conf, w->bal, w->epoll, send_datagram, w);
	tcp_shell_keep(w->tcp, w->recent);
	w->log = rule_log_new(conf, index == 0);
	w->io = io_new(conf->front_n + bal_ports(conf) - 1, w->epoll, choice, err);
	if (w->io == NULL)
		return NULL; /* the program ends: nothing to give back */
	*err = open_fronts(w, bad);
	if (*err < 0)
		return NULL;
	open_backs(w, index == 0);
	return w;
}

void worker_set_script(struct worker *w, struct script *s)
{
	w->script = s;
	w->hooks = script_hooks(s);
	bal_set_hooks(w->bal, &w->hooks);
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
	to->not_delayed += from->not_delayed;
	to->rules_failed += from->rules_failed;
	to->not_tagged += from->not_tagged;
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
	c->not_logged += w->snapshot.not_logged;
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
	for (unsigned k = 0; c->matches[0] != NULL && k < BAL_CHAINS; k++)
		for (unsigned i = 0; i < w->conf->rules->chain[k].n; i++)
			c->matches[k][i] += w->snapshot.matches[k][i];
	for (unsigned i = 0; c->pool != NULL && i < bal_pools(w->conf); i++) {
		c->pool[i].hits += w->snapshot.pool[i].hits;
		c->pool[i].misses += w->snapshot.pool[i].misses;
		c->pool[i].not_cached += w->snapshot.pool[i].not_cached;
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

void worker_steer(struct worker *w, struct steer *steer, unsigned index)
{
	io_steer(w->io, steer, index);
}
