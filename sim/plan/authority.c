/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The authorities of a plan. Our recursor-stub makes its answers up; a foreign recursor asks
 * somebody, and its lab has nobody to ask. So each length of miss that recursors have gets a node
 * that takes that long over each answer. Its addresses are from networks for documentation and
 * benchmarks that nobody in the scenario has; its link is a recursor's, without what harms frames.
 */
#include <stdio.h>
#include <string.h>

#include "scenario.h"

enum { PLACES = 3, OF_PLACE = 128 };

/* RFC 5737, RFC 2544; RFC 3849, RFC 4193. */
static const char *const places[2][PLACES] = {
	{ "198.51.100.53", "203.0.113.53", "198.18.255.53" },
	{ "2001:db8:ffff::53", "2001:db8:5353::53", "fd53:ffff:53::53" },
};

static bool is_taken(const struct plan *p, const struct ip *ip)
{
	for (unsigned i = 0; i < p->node_n; i++) {
		const struct plan_node *n = &p->node[i];
		for (unsigned a = 0; a < n->addr_n; a++)
			if (ip_eq(&n->addr[a], ip))
				return true;
		if (prefix_any(n->net, n->net_n, ip))
			return true;
	}
	return false;
}

/* The first free address, of so many from each place on. */
static void add_address(lua_State *L, struct plan_node *n, const char *const place[PLACES])
{
	const struct plan *p = scenario_of(L)->plan;
	struct ip ip;

	for (unsigned i = 0; i < PLACES * OF_PLACE; i++) {
		MUST(ip_parse(&ip, place[i / OF_PLACE]) == 0);
		ip = ip_add(&ip, i % OF_PLACE);
		if (is_taken(p, &ip))
			continue;
		n->addr[n->addr_n++] = ip;
		return;
	}
	scenario_fail(L, NULL, "no address is left for %s, which %s asks: expected client "
	              "networks that leave %s, %s or %s free", n->name, p->recursor.path,
	              place[0], place[1], place[2]);
}

static void choose_name(const struct plan *p, char name[PLAN_NAME_TEXT])
{
	snprintf(name, PLAN_NAME_TEXT, "authority");
	for (unsigned i = 2; plan_find_node(p, name) != PLAN_NONE; i++)
		snprintf(name, PLAN_NAME_TEXT, "authority-%u", i);
}

static void add_authority(lua_State *L, unsigned recursor)
{
	struct plan *p = scenario_of(L)->plan;
	char name[PLAN_NAME_TEXT];

	if (p->node_n == PLAN_NODES_MAX)
		scenario_fail(L, NULL, "%d nodes, and %s needs one to ask: expected fewer",
		              PLAN_NODES_MAX, p->recursor.path);
	choose_name(p, name);
	p->node = list_grow(p->node, &p->node_n, sizeof(*p->node));
	struct plan_node *n = &p->node[p->node_n - 1];
	const struct plan_node *asks = &p->node[recursor];
	*n = (struct plan_node){ .role = PLAN_AUTHORITY, .conf = PLAN_NONE, .miss = asks->miss,
	                         .link = { .delay_ns = asks->link.delay_ns } };
	memcpy(n->name, name, sizeof(name));
	for (unsigned i = 0; i < 2; i++)
		add_address(L, n, places[i]);
}

void authorities_add(lua_State *L)
{
	const struct plan *p = scenario_of(L)->plan;

	if (p->recursor.path == NULL)
		return;
	for (unsigned i = 0; i < p->node_n; i++)
		if (p->node[i].role == PLAN_RECURSOR && plan_authority_of(p, (int)i) == PLAN_NONE)
			add_authority(L, i);
}
