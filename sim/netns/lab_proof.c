/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wire proves itself before t = 0: for each address family one node, the hub, sends a datagram
 * to every other and gets one back, through sockets that live in the nodes' namespaces.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab.h"
#include "lib/host/host.h"
#include "sim/plan/bounds.h"

enum { PROOF_MS = 2000, TRIES = 2 };

static const char proof[] = "evenkeel: is the wire there?";

struct end {
	int fd;     /* -1: the node has no address of the family */
	struct ep ep;
};

/* An address of the node in the family; the first of a net is one too. */
static bool node_ip(const struct plan_node *n, bool four, struct ip *out)
{
	for (unsigned i = 0; i < n->addr_n; i++)
		if (ip_is4(&n->addr[i]) == four) {
			*out = n->addr[i];
			return true;
		}
	for (unsigned i = 0; i < n->net_n; i++)
		if (ip_is4(&n->net[i].ip) == four) {
			*out = ip_add(&n->net[i].ip, n->net[i].bits < 128);
			return true;
		}
	return false;
}

static int bind_end(struct end *e)
{
	struct sockaddr_storage ss;
	socklen_t len = host_sockaddr(&e->ep, &ss);

	e->fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (e->fd < 0 || bind(e->fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	if (getsockname(e->fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	e->ep = host_ep(&ss);
	return 0;
}

static int open_end(struct lab *l, unsigned node, bool four, struct end *e)
{
	int err, back;

	*e = (struct end){ .fd = -1 };
	if (!node_ip(&l->plan->node[node], four, &e->ep.ip))
		return 0;
	err = layout_enter(&l->layout, node);
	if (err != 0)
		return err;
	err = bind_end(e);
	back = layout_leave(&l->layout);
	return err != 0 ? err : back;
}

static int send_to(const struct end *from, const struct end *to)
{
	struct sockaddr_storage ss;
	socklen_t len = host_sockaddr(&to->ep, &ss);

	return sendto(from->fd, proof, sizeof(proof), 0, (struct sockaddr *)&ss, len) < 0 ? -errno
	                                                                                  : 0;
}

static int receive(const struct end *e)
{
	struct pollfd p = { .fd = e->fd, .events = POLLIN };
	char text[sizeof(proof)];

	if (poll(&p, 1, PROOF_MS) != 1)
		return -ETIMEDOUT;
	if (recv(e->fd, text, sizeof(text), 0) != sizeof(proof))
		return -errno;
	return memcmp(text, proof, sizeof(proof)) == 0 ? 0 : -EBADMSG;
}

/* There and back between two ends; again when a link's own loss may have eaten it. */
static int ping(const struct lab *l, const struct end *hub, const struct end *e)
{
	int err = -ETIMEDOUT;
	bool lossy = false;

	for (unsigned i = 0; i < l->plan->node_n; i++)
		lossy |= plan_link_loses(&l->plan->node[i].link);
	for (int i = 0; i < TRIES && err != 0; i++) {
		err = send_to(hub, e);
		if (err == 0)
			err = receive(e);
		if (err == 0)
			err = send_to(e, hub);
		if (err == 0)
			err = receive(hub);
	}
	return lossy && err == -ETIMEDOUT ? 0 : err;
}

static int prove_family(struct lab *l, struct end *end, bool four)
{
	const struct end *hub = NULL;
	int err = 0;

	for (unsigned i = 0; i < l->plan->node_n; i++)
		end[i].fd = -1;
	for (unsigned i = 0; i < l->plan->node_n && err == 0; i++) {
		err = open_end(l, i, four, &end[i]);
		if (err != 0 || end[i].fd < 0)
			continue;
		if (hub == NULL)
			hub = &end[i];
		else
			err = ping(l, hub, &end[i]);
	}
	for (unsigned i = 0; i < l->plan->node_n; i++)
		if (end[i].fd >= 0)
			close(end[i].fd);
	return err;
}

int lab_prove_wire(struct lab *l)
{
	struct end *end = calloc(l->plan->node_n, sizeof(*end));
	int err;

	MUST(end != NULL);
	err = prove_family(l, end, true);
	if (err == 0)
		err = prove_family(l, end, false);
	free(end);
	return err;
}
