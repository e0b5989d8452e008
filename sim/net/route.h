/* SPDX-License-Identifier: BSD-3-Clause */
/* Which node an address belongs to: a hash table of the nodes' own addresses, then their nets. */
#ifndef EK_ROUTE_H
#define EK_ROUTE_H

#include <stddef.h>

#include "lib/addr.h"
#include "sim/plan/plan.h"

struct route_net {
	struct prefix prefix;
	int node;
};

struct route_addr {
	struct ip ip;
	int node; /* PLAN_NONE: free */
};

struct routes {
	size_t slots;              /* a power of two, at least twice the addresses */
	struct route_addr *addr;
	size_t net_n;
	struct route_net *net;
};

void routes_init(struct routes *r, const struct plan *p);
void routes_fini(struct routes *r);
/* A node's own address wins over a net. PLAN_NONE: nobody's. */
int routes_find(const struct routes *r, const struct ip *ip);

#endif
