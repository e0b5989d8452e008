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

static inline unsigned subnet_bits(const struct bal_conf *conf, const struct ip *client)
{
	return ip_is4(client) ? conf->ecs.bits4 : conf->ecs.bits6;
}

/* The query in d, whose question ends at q_end, goes to server. Returns what was done to it. */
static inline uint8_t subnet_tell(const struct bal_conf *conf, struct dgram *d, unsigned server,
                                  size_t q_end)
{
	if (!conf->server[server].client_subnet)
		return ECS_NOTHING;
	return (uint8_t)ecs_add(d->data, &d->len, d->cap, q_end, &d->peer.ip,
	                        subnet_bits(conf, &d->peer.ip), conf->ecs.replace);
}

/* The answer in d is q's. */
static inline void subnet_take_back(struct dgram *d, const struct idt_query *q)
{
	if (q->ecs >= ECS_OPTION_ADDED && dns_qdcount(d->data) == 1)
		ecs_remove(d->data, &d->len, (size_t)DNS_HEADER + q->name_len + 4,
		           (enum ecs_change)q->ecs);
}

#endif
