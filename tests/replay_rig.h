/* SPDX-License-Identifier: BSD-3-Clause */
/* A trace made by hand, a replay of it, and a server that answers as it is told. */
#ifndef EK_TESTS_REPLAY_RIG_H
#define EK_TESTS_REPLAY_RIG_H

#include <stdio.h>
#include <string.h>

#include "lib/dns.h"
#include "lib/host/host.h"
#include "sim/replay/core/replay.h"

enum { RIG_QUERIES = 4096, RIG_BATCH = 16, RIG_MESSAGE = 64 };
#define RIG_MS INT64_C(1000000)
#define RIG_T0 (INT64_C(1000) * 1000000000)

struct replay_rig {
	struct trace trace;
	struct trace_query query[RIG_QUERIES];
	uint8_t bytes[RIG_QUERIES * RIG_MESSAGE];
	uint32_t number[RIG_QUERIES + 1]; /* of connections, as a trace has them */
	struct replay_options o;
	struct arena arena;
	struct replay *r;
	struct dgram d[RIG_BATCH];
	uint8_t room[RIG_BATCH][UINT16_MAX];
};

/* No queries yet, speed 1, one loop, time-out 100 ms. */
static inline void rig_init(struct replay_rig *g)
{
	memset(g, 0, offsetof(struct replay_rig, room));
	g->trace.query = g->query;
	g->trace.bytes = g->bytes;
	g->o.trace = &g->trace;
	g->o.pace = (struct trace_pace){ 1, TRACE_SPEED_ONE, 1 };
	g->o.timeout_ns = 100 * RIG_MS;
	for (unsigned i = 0; i < RIG_BATCH; i++)
		g->d[i] = (struct dgram){ .data = g->room[i], .cap = UINT16_MAX };
}

/* A query for "NUMBER.x", its number that in the trace. connection: any number; 0: UDP. */
static inline void rig_add(struct replay_rig *g, int64_t t_ns, uint32_t client, uint16_t port,
                           uint16_t id, uint32_t connection)
{
	struct trace *t = &g->trace;
	uint32_t i = t->query_n;
	uint8_t name[DNS_NAME_MAX];
	char text[24];

	MUST(i < RIG_QUERIES && connection <= RIG_QUERIES);
	if (connection != 0 && g->number[connection] == 0)
		g->number[connection] = ++t->connection_n;
	connection = g->number[connection];
	snprintf(text, sizeof(text), "%u.x", i);
	int name_len = dns_name_parse(name, text);
	MUST(name_len > 0);
	int len = dns_query(g->bytes + t->byte_n, RIG_MESSAGE, id, DNS_RD, name, (size_t)name_len,
	                    DNS_A, DNS_IN, 0);
	MUST(len > 0);
	g->query[i] = (struct trace_query){
		.t_ns = t_ns, .at = (uint32_t)t->byte_n, .client = client, .port = port,
		.connection = connection, .len = (uint16_t)len, .name_len = (uint8_t)name_len,
	};
	for (uint32_t k = i; connection != 0 && k-- > 0;)
		if (g->query[k].connection == connection) {
			g->query[k].more = true;
			break;
		}
	t->byte_n += (size_t)len;
	t->query_n++;
	t->client_n = client >= t->client_n ? client + 1 : t->client_n;
}

static inline void rig_start(struct replay_rig *g)
{
	if (g->o.pace.period_ns == 1)
		g->o.pace.period_ns = trace_period(&g->trace);
	MUST(host_arena(&g->arena, replay_arena_size(&g->o)) == 0);
	g->r = replay_init(&g->arena, &g->o, RIG_T0);
	arena_seal(&g->arena);
}

static inline void rig_fini(struct replay_rig *g)
{
	host_arena_free(&g->arena);
}

/* Which query of the trace a message is, by its name. */
static inline uint32_t rig_number(const struct dgram *d)
{
	uint32_t n = 0;

	for (unsigned i = 1; i <= d->data[DNS_HEADER]; i++)
		n = n * 10 + (uint32_t)(d->data[DNS_HEADER + i] - '0');
	return n;
}

/* Makes a query its answer, that came at t_ns. */
static inline void rig_answer(struct dgram *d, int64_t t_ns, uint16_t flags)
{
	dns_put16(d->data + 2, (uint16_t)(DNS_QR | flags));
	d->t_ns = t_ns;
}

static inline struct replay_counts rig_counts(const struct replay_rig *g)
{
	struct replay_counts c;

	replay_check(g->r);
	replay_counts(g->r, &c);
	return c;
}

#endif
