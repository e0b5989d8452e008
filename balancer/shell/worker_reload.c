/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's part of a reload. Sockets of addresses and servers that stay are kept as they are,
 * with what waits in them; new ones are opened; a server that leaves keeps its sockets, and an
 * address that leaves the one that answers go out of, until the last query that needs them is over.
 */
#include "worker_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "io_impl.h"
#include "rule_log.h"
#include "socket.h"

#define GRACE_NS INT64_C(1000000000) /* after the last time-out */

/* ---- made ready, in another thread ---- */

/* The front of from that goes on as front i of to; BAL_GONE: it is new. */
static unsigned front_before(const struct bal_succession *s, unsigned i)
{
	for (unsigned k = 0; k < s->from->front_n; k++)
		if (s->front[k] == i)
			return k;
	return BAL_GONE;
}

/* An address that the configuration has twice listens once. */
static bool is_repeated(const struct bal_conf *conf, unsigned front)
{
	for (unsigned i = 0; i < front; i++)
		if (ep_eq(&conf->front[i], &conf->front[front]))
			return true;
	return false;
}

static bool over_tcp(const struct bal_conf *conf, unsigned front)
{
	return conf->tcp.conns > 0 && !conf->listen[front].udp_only;
}

/* Opens what front i lacks. Returns 0 or -errno. */
static int open_front(struct worker_next *n, unsigned i)
{
	const struct bal_conf *to = n->succession->to;
	unsigned before = front_before(n->succession, i);
	bool had_tcp = before != BAL_GONE && over_tcp(n->succession->from, before);

	n->udp[i] = n->tcp[i] = -1;
	if (is_repeated(to, i))
		return 0;
	if (before == BAL_GONE && (n->udp[i] = socket_front(&to->front[i], true)) < 0)
		return n->udp[i];
	if (n->udp[i] >= 0)
		socket_buffers(n->udp[i], to->quirks.udp_receive, to->quirks.udp_send);
	if (over_tcp(to, i) && !had_tcp &&
	    (n->tcp[i] = socket_listen(&to->front[i], to->listen[i].queue, true)) < 0)
		return n->tcp[i];
	return 0;
}

void worker_abandon(struct worker_next *n)
{
	for (unsigned i = 0; i < n->succession->to->front_n; i++) {
		if (n->udp[i] >= 0)
			close(n->udp[i]);
		if (n->tcp[i] >= 0)
			close(n->tcp[i]);
	}
	host_arena_free(&n->arena);
	script_free(n->script);
	free(n->udp);
	free(n->tcp);
	free(n);
}

struct worker_next *worker_prepare(const struct bal_succession *s, struct bal_shared *shared,
                                   const uint8_t seed[32], unsigned index, unsigned *bad, int *err)
{
	struct worker_next *n = calloc(1, sizeof(*n));
	unsigned fronts = s->to->front_n;

	MUST(n != NULL);
	*bad = fronts;
	*err = host_arena(&n->arena, bal_arena_size(s->to));
	if (*err < 0) {
		free(n);
		return NULL;
	}
	n->succession = s;
	n->shared = shared;
	n->udp = malloc((fronts + 1u) * sizeof(*n->udp));
	n->tcp = malloc((fronts + 1u) * sizeof(*n->tcp));
	MUST(n->udp != NULL && n->tcp != NULL);
	for (unsigned i = 0; i < fronts; i++)
		n->udp[i] = n->tcp[i] = -1;
	for (unsigned i = 0; i < fronts && *err == 0; i++) {
		*bad = i;
		*err = open_front(n, i);
	}
	if (*err < 0) {
		worker_abandon(n);
		return NULL;
	}
	n->bal = bal_init(&n->arena, s->to, shared, seed, index);
	arena_seal(&n->arena);
	return n;
}

void worker_next_set_script(struct worker_next *n, struct script *take_s)
{
	n->script = take_s;
}

void worker_switch(struct worker *w, struct worker_next *take_next)
{
	const uint64_t one = 1;

	atomic_store(&w->reload, take_next);
	MUST(write(w->asked, &one, sizeof(one)) == sizeof(one));
	while (sem_wait(&w->switched) != 0)
		MUST(errno == EINTR);
	free(take_next->udp);
	free(take_next->tcp);
	free(take_next);
}

/* ---- carried out, in the worker's thread ---- */

/* The sockets that it had. */
struct before {
	struct io_out *out;
	unsigned live_n, front_n, out_n;
};

/* One of those that it had, below n, at ep. */
static struct io_out *find(const struct before *b, unsigned n, const struct ep *ep)
{
	for (unsigned i = 0; i < n; i++)
		if (b->out[i].fd >= 0 && ep_eq(&b->out[i].ep, ep))
			return &b->out[i];
	return NULL;
}

static void take_fronts(struct io *io, const struct worker_next *n, struct before *b)
{
	const struct bal_conf *to = n->succession->to;

	for (unsigned i = 0; i < to->front_n; i++) {
		const struct ep *ep = &to->front[i];
		struct io_out *had = find(b, b->live_n, ep);
		if (is_repeated(to, i))
			continue;
		MUST((had != NULL) == (n->udp[i] < 0));
		if (had != NULL) {
			io_place(io, had, true);
			had->fd = -1;
		} else {
			io_place(io, &(struct io_out){ .fd = n->udp[i], .front = true,
			                               .wildcard = ip_is_any(&ep->ip), .ep = *ep },
			         false);
		}
	}
	io->live_n = io->out_n;
}

/* Answers can leave from one of the fronts as they did from o. */
static bool replaced(const struct io *io, const struct io_out *o)
{
	for (unsigned i = 0; i < io->live_n; i++) {
		const struct io_out *l = &io->out[i];
		if (ep_eq(&l->ep, &o->ep) ||
		    (l->wildcard && !o->wildcard && l->ep.port == o->ep.port &&
		     ip_is4(&l->ep.ip) == ip_is4(&o->ep.ip)))
			return true;
	}
	return false;
}

/* Those that nobody listens at any more: for answers that are on their way. */
static void keep_old_fronts(struct io *io, struct before *b)
{
	for (unsigned i = 0; i < b->front_n; i++) {
		struct io_out *o = &b->out[i];
		if (o->fd < 0)
			continue;
		if (replaced(io, o)) {
			io_close(io, o);
			continue;
		}
		io_deafen(io, o);
		io_place(io, o, true);
	}
	io->front_n = io->out_n;
}

static void take_back(struct worker *w, const struct bal_server *s, struct io_out *had, bool tell)
{
	if (had == NULL) {
		worker_open_back(w, s, tell);
		return;
	}
	had->server = s;
	had->changes = worker_changes(w, s);
	io_place(w->io, had, true);
	had->fd = -1;
}

static void take_backs(struct worker *w, const struct bal_succession *s, struct before *b)
{
	unsigned n = bal_conf_servers(s->to);
	struct io_out **had = calloc(n + 1u, sizeof(*had));
	struct io_out *at = b->out + b->front_n;

	MUST(had != NULL);
	for (unsigned i = 0; i < bal_conf_servers(s->from); at += s->from->server[i++].sockets)
		if (s->server[i] != BAL_GONE)
			had[s->server[i]] = at;
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < s->to->server[i].sockets; k++)
			take_back(w, &s->to->server[i], had[i] != NULL ? &had[i][k] : NULL,
			          k == 0);
	free(had);
	for (unsigned i = b->front_n; i < b->out_n; i++)
		if (b->out[i].fd >= 0)
			io_close(w->io, &b->out[i]);
}

void worker_take_over(struct worker *w, struct worker_next *n)
{
	const struct bal_succession *s = n->succession;
	struct io *io = w->io;
	struct before b = { NULL, io->live_n, io->front_n, io->out_n };

	bal_succeed(n->bal, w->bal, s);
	w->conf = s->to;
	w->shared = n->shared;
	worker_make_snapshot(w);
	b.out = io_lay_out(io, s->to->front_n + io->front_n + bal_ports(s->to) - 1);
	take_fronts(io, n, &b);
	keep_old_fronts(io, &b);
	take_backs(w, s, &b);
	free(b.out);
	rule_log_free(w->log);
	w->log = rule_log_new(s->to, false);
	tcp_shell_succeed(w->tcp, n->bal, s, n->tcp);
	host_arena_free(&w->arena);
	w->arena = n->arena;
	w->bal = n->bal;
	script_free(w->script);
	w->script = NULL;
	if (n->script != NULL)
		worker_set_script(w, n->script);
	w->retire_ns = INT64_MAX;
	if (io->front_n > io->live_n || s->to->leaving_n > 0)
		w->retire_ns = host_mono_ns() + s->to->udp_timeout_ns + GRACE_NS;
}

void worker_retire(struct worker *w)
{
	struct io *io = w->io;
	unsigned staying = io->front_n + bal_port(w->conf, w->conf->server_n, 0) - 1;

	w->retire_ns = INT64_MAX;
	for (unsigned i = io->live_n; i < io->out_n; i++) {
		struct io_out *o = &io->out[i];
		if (o->fd < 0 || (i >= io->front_n && i < staying))
			continue;
		io_close(io, o);
		if (i < io->front_n)
			o->ep = (struct ep){ 0 };
	}
}
