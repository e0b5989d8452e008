/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose query it is, told to servers that are to know (useClientSubnet): the client's subnet goes
 * into the query, and out of the answer again if it wasn't the client's own. For bal.c and cache.c.
 */
#ifndef EK_BALANCER_SUBNET_H
#define EK_BALANCER_SUBNET_H

#include "conf.h"
#include "idtable.h"
#include "lib/dgram.h"
#include "lib/ecs.h"

/* The subnet of a client that servers are told; e: what rules want. */
static inline struct bal_ecs_net subnet_of(const struct bal_conf *conf, const struct ip *client,
                                           const struct bal_ecs_said *e)
{
	if (e->net_set)
		return e->net;
	return (struct bal_ecs_net){
		*client, e->bits_set ? e->bits : ip_is4(client) ? conf->ecs.bits4 : conf->ecs.bits6,
	};
}

/* Whether it takes the place of one that a client has told itself. */
static inline bool subnet_replaces(const struct bal_conf *conf, const struct bal_ecs_said *e)
{
	return e->replace_set ? e->replace : conf->ecs.replace;
}

/* The query in d, whose question ends at q_end, goes to server. Returns what was done to it. */
static inline uint8_t subnet_tell(const struct bal_conf *conf, struct dgram *d, unsigned server,
                                  size_t q_end, const struct bal_ecs_said *e)
{
	if (!conf->server[server].client_subnet || e->off)
		return ECS_NOTHING;
	struct bal_ecs_net net = subnet_of(conf, &d->peer.ip, e);
	return (uint8_t)ecs_add(d->data, &d->len, d->cap, q_end, &net.ip, net.bits,
	                        subnet_replaces(conf, e));
}

/* The answer in d is q's. */
static inline void subnet_take_back(struct dgram *d, const struct idt_query *q)
{
	if (q->ecs >= ECS_OPTION_ADDED && dns_qdcount(d->data) == 1)
		ecs_remove(d->data, &d->len, (size_t)DNS_HEADER + q->name_len + 4,
		           (enum ecs_change)q->ecs);
}

#endif
