/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's UDP, what its two ways share: sockets, and messages made of datagrams; see io.h. */
#include "io.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/core/bal.h"
#include "io_impl.h"
#include "lib/host/host.h"
#include "socket.h"

enum {
	REOPEN_NS = 1000000000,     /* a server's socket is tried again this often */
	CUT = CMSG_SPACE(sizeof(uint16_t)), /* control bytes: the length of what is joined */
};

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* ---- receiving ---- */

struct dgram *io_dgram(struct io *io, uint8_t *p, size_t len)
{
	struct dgram *d = &io->d[io->n++];

	if (len > IO_BUFFER) { /* what was cut off counts as nothing */
		io->count[WORKER_TOO_BIG]++;
		len = 0;
	}
	d->data = p;
	d->len = (uint16_t)len;
	d->cap = IO_BUFFER;
	d->verdict = 0;
	d->proto = DGRAM_UDP;
	d->conn = 0;
	return d;
}

void io_from_client(struct dgram *d, const struct io_out *o, const void *name,
                    const struct msghdr *control)
{
	d->peer = host_ep(name);
	d->local = o->ep;
	d->port = 0;
	if (o->wildcard)
		net_asked(control, &d->local.ip);
}

void io_from_server(const struct io *io, struct dgram *d, unsigned index)
{
	d->peer = io->out[index].ep; /* the socket is connected */
	d->port = (uint16_t)(index - io->front_n + 1);
}

unsigned io_room(struct io *io)
{
	for (unsigned i = 0; i < IO_OWN; i++)
		io->d[io->n + i] = (struct dgram){ .data = io->own + (size_t)i * IO_STRIDE,
		                                   .cap = IO_BUFFER };
	return IO_OWN;
}

/* ---- what is to be sent ---- */

/* The front socket that an answer leaves from: bound to its address, else the wildcard. */
static unsigned front_of(const struct io *io, const struct ep *local)
{
	unsigned found = 0;

	for (unsigned i = 0; i < io->front_n; i++) {
		if (ep_eq(&io->out[i].ep, local))
			return i;
		if (io->out[i].wildcard && io->out[i].ep.port == local->port &&
		    ip_is4(&io->out[i].ep.ip) == ip_is4(&local->ip))
			found = i;
	}
	return found;
}

static void queue(struct io *io, unsigned i)
{
	const struct dgram *d = &io->d[i];
	unsigned at = d->port > 0 ? io->front_n + d->port - 1u
	              : io->front_n > 1 ? front_of(io, &d->local) : 0;
	struct io_out *o = &io->out[at];

	io->next[i] = IO_NONE;
	if (o->first == IO_NONE) {
		o->first = (uint16_t)i;
		io->touched[io->touched_n++] = (uint16_t)at;
	} else {
		io->next[o->last] = (uint16_t)i;
	}
	o->last = (uint16_t)i;
}

static struct msghdr *new_message(struct io_messages *s)
{
	struct msghdr *m = &s->m[s->n++].msg_hdr;

	*m = (struct msghdr){ .msg_iov = &s->iov[s->iov_n] };
	return m;
}

static void add_part(struct io_messages *s, struct msghdr *m, const struct dgram *d)
{
	s->iov[s->iov_n++] = (struct iovec){ d->data, d->len };
	m->msg_iovlen++;
}

/* To whom a front's message goes, and from where. */
static void address(struct io_messages *s, const struct io_out *o, const struct dgram *d)
{
	unsigned at = s->n - 1;
	struct msghdr *m = &s->m[at].msg_hdr;

	if (!o->front)
		return; /* a server's socket is connected */
	m->msg_name = &s->name[at];
	m->msg_namelen = host_sockaddr(&d->peer, (struct sockaddr_storage *)&s->name[at]);
	if (o->wildcard)
		net_leave_from(m, s->control[at], &d->local.ip);
}

static void make_alone(struct io_messages *s, const struct io_out *o, const struct dgram *d)
{
	add_part(s, new_message(s), d);
	address(s, o, d);
}

/* The kernel cuts what it is given into datagrams of that length. The last of m's controls. */
static void cut_into(struct msghdr *m, uint8_t *control, uint16_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)(control + m->msg_controllen);

	m->msg_control = control;
	m->msg_controllen += CUT;
	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(len));
	memcpy(CMSG_DATA(c), &len, sizeof(len));
}

static void make_joined(struct io *io, struct io_messages *s, const struct io_out *o, unsigned i)
{
	while (i != IO_NONE) {
		uint8_t *control = s->control[s->n];
		const struct dgram *first = &io->d[i];
		struct msghdr *m = new_message(s);
		for (; i != IO_NONE && m->msg_iovlen < IO_JOIN_MAX; i = io->next[i])
			add_part(s, m, &io->d[i]);
		address(s, o, first);
		if (m->msg_iovlen == 1)
			continue;
		cut_into(m, control, first->len);
		io->count[WORKER_JOINED] += m->msg_iovlen;
	}
}

/* The list of those that d may be joined with, unless others have it: clients can make theirs
 * meet, and then go alone. */
static unsigned slot_of(const struct io_out *o, const struct dgram *d)
{
	uint32_t h = 0;

	if (o->front) {
		memcpy(&h, d->peer.ip.b + 12, sizeof(h));
		h = (h ^ d->peer.port) * 0x9e3779b1u;
		h ^= h >> 16;
	}
	return (h + d->len) % IO_SLOTS;
}

static bool may_join(const struct io_out *o, const struct dgram *a, const struct dgram *b)
{
	if (a->len != b->len)
		return false;
	return !o->front || (ep_eq(&a->peer, &b->peer) && ip_eq(&a->local.ip, &b->local.ip));
}

/* Lists of what may be joined, in the order in which they occur; the rest goes alone. */
static unsigned sort(struct io *io, struct io_messages *s, const struct io_out *o)
{
	unsigned lists = 0;

	for (unsigned i = o->first, next; i != IO_NONE; i = next) {
		const struct dgram *d = &io->d[i];
		unsigned k = slot_of(o, d);
		next = io->next[i];
		io->next[i] = IO_NONE;
		if (d->len < IO_JOIN_LEN && s->head[k] == IO_NONE) {
			s->head[k] = s->tail[k] = (uint16_t)i;
			s->slot[lists++] = (uint16_t)k;
		} else if (d->len < IO_JOIN_LEN && may_join(o, &io->d[s->head[k]], d)) {
			io->next[s->tail[k]] = (uint16_t)i;
			s->tail[k] = (uint16_t)i;
		} else {
			make_alone(s, o, d);
		}
	}
	return lists;
}

unsigned io_make_messages(struct io *io, unsigned index)
{
	const struct io_out *o = &io->out[index];
	struct io_messages *s = io->messages;
	unsigned before = s->n, lists;

	if (!o->joins || o->first == o->last) {
		for (unsigned i = o->first; i != IO_NONE; i = io->next[i])
			make_alone(s, o, &io->d[i]);
		return before;
	}
	lists = sort(io, s, o);
	for (unsigned k = 0; k < lists; k++) {
		make_joined(io, s, o, s->head[s->slot[k]]);
		s->head[s->slot[k]] = IO_NONE;
	}
	return before;
}

/* ---- what couldn't be sent ---- */

static bool is_full(int err)
{
	return err == EAGAIN || err == ENOBUFS;
}

/*
 * Tried twice: a report about an earlier query (ICMP) is used up by the first try. Whether it went
 * out, or would with more room.
 */
static bool send_alone(struct io *io, struct io_out *o, const struct msghdr *m)
{
	for (unsigned tries = 0;; tries++) {
		if (sendmsg(o->fd, m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return true;
		if (is_full(errno)) {
			io->count[WORKER_SEND_FULL]++;
			return true;
		}
		if (tries == 1)
			break;
		io->count[WORKER_REFUSED]++;
	}
	io->count[WORKER_SEND_FAILED]++;
	io->back_failed += !o->front;
	return false;
}

void io_unsent(struct io *io, struct io_out *o, const struct msghdr *m, int err)
{
	struct msghdr part = *m;
	bool any = false;

	if (is_full(err)) {
		io->count[WORKER_SEND_FULL] += m->msg_iovlen;
		return;
	}
	if (m->msg_iovlen > 1)
		part.msg_controllen -= CUT;
	io->count[WORKER_REFUSED] += err == ECONNREFUSED;
	part.msg_iovlen = 1;
	for (size_t i = 0; i < m->msg_iovlen; i++) {
		part.msg_iov = &m->msg_iov[i];
		any |= send_alone(io, o, &part);
	}
	/*
	 * EIO: a device that makes no checksums; EINVAL: longer than the path's packets. What
	 * doesn't go out alone either says nothing: a client's port may be 0.
	 */
	if (m->msg_iovlen > 1 && err != ECONNREFUSED && any)
		o->joins = false;
}

/* ---- sockets ---- */

static void know(struct io *io, int fd, unsigned index)
{
	if ((unsigned)fd >= io->socket_n) {
		unsigned n = (unsigned)fd * 2 + 64;
		io->socket = realloc(io->socket, n * sizeof(*io->socket));
		MUST(io->socket != NULL);
		for (unsigned i = io->socket_n; i < n; i++)
			io->socket[i] = (struct io_socket){ .place = IO_NONE };
		io->socket_n = n;
	}
	io->socket[fd].place = (uint16_t)index;
}

/* Tries to open a server's socket that couldn't be opened before. */
static void reopen(struct io *io, unsigned index)
{
	struct io_out *o = &io->out[index];

	if (io->now_ns < o->reopen_ns)
		return;
	o->reopen_ns = io->now_ns + REOPEN_NS;
	int fd = socket_back(o->server);
	if (fd < 0)
		return;
	o->fd = fd;
	o->joins = true;
	know(io, fd, index);
	io->way->listen(io, fd);
}

void io_close(struct io *io, struct io_out *o)
{
	io->socket[o->fd].place = IO_NONE;
	io->way->leave(io, o->fd, true);
	o->fd = -1;
}

/* reconnectOnUp: a server that has been down since is talked to from fresh sockets. */
static void refresh(struct io *io, struct io_out *o)
{
	uint32_t now = atomic_load_explicit(o->changes, memory_order_relaxed);

	if (now == o->seen)
		return;
	o->seen = now;
	o->reopen_ns = INT64_MIN;
	if (o->fd >= 0)
		io_close(io, o);
}

static void lose(struct io *io, const struct io_out *o)
{
	for (unsigned i = o->first; i != IO_NONE; i = io->next[i]) {
		io->count[WORKER_SEND_FAILED]++;
		io->back_failed++;
	}
}

void io_send_one(struct io *io, const struct dgram *d)
{
	const struct io_out *o = &io->out[front_of(io, &d->local)];

	io->count[WORKER_SEND_FAILED] += socket_send(o->fd, d, o->wildcard) < 0;
}

void io_send(struct io *io, int64_t now_ns)
{
	io->now_ns = now_ns;
	io->touched_n = 0;
	io->messages->n = io->messages->iov_n = 0;
	for (unsigned i = 0; i < io->n; i++)
		if (bal_verdict_sends(io->d[i].verdict))
			queue(io, i);
	for (unsigned i = 0; i < io->touched_n; i++) {
		struct io_out *o = &io->out[io->touched[i]];
		if (o->changes != NULL)
			refresh(io, o);
		if (o->fd < 0 && !o->front)
			reopen(io, io->touched[i]);
		if (o->fd >= 0)
			io->way->flush(io, io->touched[i]);
		else
			lose(io, o);
		o->first = IO_NONE;
	}
}

/* Tells the kernel who gets queries. One that can't be told goes on as it is. */
static void tell(struct io *io, bool alone)
{
	for (unsigned i = 0; i < io->live_n; i++)
		(void)steer_tell(io->out[i].fd, alone);
	io->count[WORKER_SPREADS] += !alone;
}

void io_wait(struct io *io, int64_t until_ns)
{
	bool alone;

	if (steer_pass(&io->steerer, io->now_ns, io->n, &alone))
		tell(io, alone);
	io->n = io->event_n = 0;
	io->way->wait(io, until_ns);
	io->count[WORKER_PASSES]++;
}

void io_steer(struct io *io, struct steer *steer, unsigned index)
{
	io->steerer = (struct steerer){ .steer = steer, .index = index };
	if (steer->workers > 1 && index == 0)
		tell(io, true);
}

void io_start(struct io *io)
{
	io->way->start(io);
}

void io_place(struct io *io, const struct io_out *o, bool known)
{
	unsigned index = io->out_n++;

	io->out[index] = *o;
	io->out[index].first = IO_NONE;
	if (o->fd < 0)
		return;
	know(io, o->fd, index);
	if (!known)
		io->way->listen(io, o->fd);
}

void io_add_front(struct io *io, int fd, const struct ep *ep)
{
	MUST(io->out_n == io->front_n);
	io_place(io, &(struct io_out){ .fd = fd, .front = true, .wildcard = ip_is_any(&ep->ip),
	                               .joins = true, .ep = *ep }, false);
	io->live_n = io->front_n = io->out_n;
}

void io_add_back(struct io *io, int fd, const struct bal_server *s, const _Atomic uint32_t *changes)
{
	io_place(io, &(struct io_out){ .fd = fd, .joins = true, .ep = s->addr, .server = s,
	                               .changes = changes }, false);
}

void io_deafen(struct io *io, struct io_out *o)
{
	if (!o->deaf)
		io->way->leave(io, o->fd, false);
	o->deaf = true;
}

struct io_out *io_lay_out(struct io *io, unsigned n)
{
	struct io_out *before = io->out;

	MUST(n < IO_NONE);
	free(io->touched);
	io->out = calloc(n + 1, sizeof(*io->out));
	io->touched = calloc(n + 1, sizeof(*io->touched));
	MUST(io->out != NULL && io->touched != NULL);
	io->live_n = io->front_n = io->out_n = 0;
	return before;
}

bool io_has_front(const struct io *io, const struct ep *ep)
{
	for (unsigned i = 0; i < io->front_n; i++)
		if (ep_eq(&io->out[i].ep, ep))
			return true;
	return false;
}

struct io *io_new(unsigned outs, int epoll, enum io_choice choice, int *err)
{
	struct io *io = calloc(1, sizeof(*io));

	MUST(io != NULL);
	io->epoll = epoll;
	io_lay_out(io, outs);
	io->messages = calloc(1, sizeof(*io->messages));
	io->own = calloc(IO_OWN, IO_STRIDE);
	MUST(io->own != NULL && io->messages != NULL);
	memset(io->messages->head, 0xff, sizeof(io->messages->head));
	io->way = choice == IO_PLAIN ? &io_plain : &io_uring;
	*err = io->way->open(io);
	if (*err < 0 && choice == IO_AUTO) {
		io->way = &io_plain;
		*err = io->way->open(io);
	}
	io->count[WORKER_RINGS] = io->way == &io_uring;
	return *err < 0 ? NULL : io; /* the program ends: nothing to give back */
}
