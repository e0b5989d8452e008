/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A reload: one configuration takes over from another between two batches, and nothing is lost.
 * What is out stays out, under its ID and on its socket: queries over UDP and TCP, connections of
 * clients and to servers, what is known of a server's health, its latency, its counters. A new
 * core is made for the new configuration with the old one's seed, and takes all of it over; the
 * old one is forgotten. The packet cache may be the same one (bal_shared_same_cache).
 *
 * A server goes on when the new configuration has one of the same name, id and address. One that
 * is taken away is kept behind the new servers, as leaving: it gets nothing new, isn't probed,
 * and answers what it still has. The first reload after that forgets it.
 */
#ifndef EK_BALANCER_SUCCEED_H
#define EK_BALANCER_SUCCEED_H

#include "bal.h"
#include "health.h"

#define BAL_GONE UINT16_MAX

/* Who goes on as whom. The arrays are the caller's. */
struct bal_succession {
	const struct bal_conf *from, *to;
	/* by server of from, leaving ones included: where its queries and sockets go, an index of
	 * to's, leaving ones included; BAL_GONE: it has none */
	uint16_t *server;
	/* by server of to, leaving ones left out: whose health, latency and counters it goes on
	 * with, an index of from's below its server_n; BAL_GONE: it is new */
	uint16_t *heir;
	/* by pool of from: the pool of to of the same name; 0, the default one: there is none */
	uint8_t pool[BAL_POOLS_MAX];
	/* by front of from: the front of to at the same address; BAL_GONE: nobody listens there */
	uint16_t *front;
};

/*
 * Fills in s, whose arrays have room, and to: server is an array that begins with to's servers and
 * has room for from's behind them; it becomes to's. to also keeps from's number of TCP connections,
 * and its limit of outstanding queries where that is higher. shared: from's. Returns 0, or -E2BIG:
 * above BAL_SERVERS_ALL servers with those that are leaving. O(servers^2).
 */
int bal_succession_plan(struct bal_succession *s, const struct bal_conf *from,
                        const struct bal_shared *shared, struct bal_conf *to,
                        struct bal_server *server) MUST_CHECK;

/* What is known of servers; after health_init of the new one. */
void bal_shared_succeed(struct bal_shared *to, const struct bal_shared *from,
                        const struct bal_succession *s);
/* Who is up, for workers that still look at from. O(servers). */
void bal_shared_follow(struct bal_shared *from, const struct bal_shared *to,
                       const struct bal_succession *s);
/* True when to's packet caches may be from's: the same pools have caches of the same size. */
bool bal_shared_same_cache(const struct bal_conf *from, const struct bal_conf *to);

/*
 * to, fresh from bal_init with from's seed and worker, goes on as from, which isn't to be used any
 * more. Both have the shared structs of their configurations. O(what is out + servers).
 */
void bal_succeed(struct bal *to, struct bal *from, const struct bal_succession *s);

/*
 * The same for health, after bal_shared_succeed: probes that are out count on, timers run on, at
 * the new interval. A check whose question has changed starts with a probe at once. A server whose
 * mode (auto, up, down) has changed in the configuration gets that; else what a console has said
 * holds.
 */
void health_succeed(struct health *to, const struct health *from, const struct bal_succession *s,
                    int64_t now_ns);

#endif
