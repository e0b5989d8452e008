/* SPDX-License-Identifier: BSD-3-Clause */
/* One judge: its trackers, and which of them a record belongs to. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inner.h"

static void *zeroed(size_t n, size_t size)
{
	void *p = calloc(n + 1, size);

	MUST(p != NULL);
	return p;
}

static void judge_alloc(struct judge *j)
{
	const struct plan *p = j->plan;

	j->client = zeroed(p->node_n, sizeof(*j->client));
	j->balancer = zeroed(p->node_n, sizeof(*j->balancer));
	j->recursor = zeroed(p->node_n, sizeof(*j->recursor));
	j->tracker = zeroed(p->node_n, sizeof(*j->tracker));
	j->events.fault = zeroed(p->fault_n, sizeof(*j->events.fault));
	j->events.node = zeroed(p->node_n, sizeof(*j->events.node));
	table_init(&j->owners, p->node_n);
	for (unsigned i = 0; i < p->node_n; i++) {
		j->events.node[i].pcap_records = -1;
		for (unsigned a = 0; a < p->node[i].addr_n; a++)
			table_put(&j->owners, key_of(&p->node[i].addr[a], 0, 0, 0), i);
	}
}

/* The tracker of a node, by its role. */
static int judge_track(struct judge *j, unsigned node, char error[JUDGE_ERROR_TEXT])
{
	const struct plan *p = j->plan;

	switch (p->node[node].role) {
	case PLAN_CLIENTS:
		j->tracker[node] = j->client_n;
		return client_init(&j->client[j->client_n++], p, node, error);
	case PLAN_BALANCER:
		if (p->node[node].conf < 0 || (unsigned)p->node[node].conf >= p->conf_n) {
			snprintf(error, JUDGE_ERROR_TEXT, "plan: balancer %s has no configuration",
			         p->node[node].name);
			return -1;
		}
		j->tracker[node] = j->balancer_n;
		balancer_init(&j->balancer[j->balancer_n++], p, node);
		return 0;
	case PLAN_RECURSOR:
		j->tracker[node] = j->recursor_n;
		recursor_init(&j->recursor[j->recursor_n++], p, node);
		return 0;
	}
	return 0;
}

struct judge *judge_new(const struct plan *p, char error[JUDGE_ERROR_TEXT])
{
	struct judge *j = zeroed(1, sizeof(*j));

	j->plan = p;
	judge_alloc(j);
	for (unsigned i = 0; i < p->node_n; i++)
		if (judge_track(j, i, error) < 0) {
			judge_free(j);
			return NULL;
		}
	return j;
}

void judge_free(struct judge *take_j)
{
	if (take_j == NULL)
		return;
	for (unsigned i = 0; i < take_j->client_n; i++)
		client_free(&take_j->client[i]);
	for (unsigned i = 0; i < take_j->balancer_n; i++)
		balancer_free(&take_j->balancer[i]);
	for (unsigned i = 0; i < take_j->recursor_n; i++)
		recursor_free(&take_j->recursor[i]);
	for (unsigned i = 0; i < take_j->invalid_n; i++)
		free(take_j->invalid[i]);
	for (unsigned i = 0; i < take_j->events.violation_n; i++)
		free(take_j->events.violation[i].what);
	free(take_j->client);
	free(take_j->balancer);
	free(take_j->recursor);
	free(take_j->tracker);
	table_free(&take_j->owners);
	free(take_j->events.fault);
	free(take_j->events.node);
	free(take_j);
}

/* Whether the node sent what comes from ip: one of its addresses, or of its nets and nobody's. */
static bool node_owns(const struct judge *j, unsigned node, const struct ip *ip)
{
	const struct plan_node *n = &j->plan->node[node];
	const uint64_t *owner = table_find(&j->owners, key_of(ip, 0, 0, 0));

	if (owner != NULL)
		return *owner == node;
	return prefix_any(n->net, n->net_n, ip);
}

void judge_tap(struct judge *j, const struct judge_tap *t)
{
	const struct plan_node *n = &j->plan->node[t->node];
	bool out = node_owns(j, t->node, &t->frame->src.ip);
	unsigned i = j->tracker[t->node];

	j->events.node[t->node].frames++;
	if (t->frame->kind == FRAME_OTHER)
		return;
	switch (n->role) {
	case PLAN_CLIENTS:
		client_tap(&j->client[i], j->plan, t, out);
		break;
	case PLAN_BALANCER:
		balancer_tap(&j->balancer[i], t, out);
		break;
	case PLAN_RECURSOR:
		recursor_tap(&j->recursor[i], j->plan, t, out);
		break;
	}
}

void judge_invalid(struct judge *j, const char *format, ...)
{
	va_list ap;
	char line[512];

	if (j->invalid_n == INVALID_MAX) {
		j->invalid_more++;
		return;
	}
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	j->invalid[j->invalid_n] = strdup(line);
	MUST(j->invalid[j->invalid_n] != NULL);
	j->invalid_n++;
}
