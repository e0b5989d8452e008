/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses to nodes; see route.h. */
#include "route.h"

#include <stdlib.h>
#include <string.h>

#include "lib/must.h"

/* Nobody chooses a plan's addresses to collide, but neighbours differ in their last bits alone. */
static size_t hash(const struct ip *ip)
{
	uint64_t a, b;

	memcpy(&a, ip->b, sizeof(a));
	memcpy(&b, ip->b + 8, sizeof(b));
	uint64_t h = a ^ b * 0x9e3779b97f4a7c15u;
	return (size_t)((h ^ h >> 32) * 0xd6e8feb86659fd93u >> 32);
}

static struct route_addr *slot_of(const struct routes *r, const struct ip *ip)
{
	size_t i = hash(ip) & (r->slots - 1);

	while (r->addr[i].node != PLAN_NONE && !ip_eq(&r->addr[i].ip, ip))
		i = (i + 1) & (r->slots - 1);
	return &r->addr[i];
}

static void add_nodes(struct routes *r, const struct plan *p)
{
	for (unsigned i = 0; i < p->node_n; i++) {
		const struct plan_node *n = &p->node[i];
		for (unsigned k = 0; k < n->addr_n; k++)
			*slot_of(r, &n->addr[k]) = (struct route_addr){ n->addr[k], (int)i };
		for (unsigned k = 0; k < n->net_n; k++)
			r->net[r->net_n++] = (struct route_net){ n->net[k], (int)i };
	}
}

void routes_init(struct routes *r, const struct plan *p)
{
	size_t addrs = 0, nets = 0;

	for (unsigned i = 0; i < p->node_n; i++) {
		addrs += p->node[i].addr_n;
		nets += p->node[i].net_n;
	}
	for (r->slots = 16; r->slots < 2 * addrs; r->slots *= 2)
		;
	r->net_n = 0;
	r->addr = calloc(r->slots, sizeof(*r->addr));
	r->net = calloc(nets + 1, sizeof(*r->net));
	MUST(r->addr != NULL && r->net != NULL);
	for (size_t i = 0; i < r->slots; i++)
		r->addr[i].node = PLAN_NONE;
	add_nodes(r, p);
}

void routes_fini(struct routes *r)
{
	free(r->addr);
	free(r->net);
}

int routes_find(const struct routes *r, const struct ip *ip)
{
	int node = slot_of(r, ip)->node;

	for (size_t i = 0; node == PLAN_NONE && i < r->net_n; i++)
		if (prefix_has(&r->net[i].prefix, ip))
			node = r->net[i].node;
	return node;
}
