/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * firstAvailable, as an oracle: the first server that is up, in the configuration's order, whose
 * bucket of one second's worth has room, takes the query and a token; when none has room the choice
 * is leastOutstanding's, and takes no token. A bucket is kept as the time at which it will be full
 * again (balancer/core/policy.c), between a least and a most: the least has each token taken as
 * early, the most as late as it can have been, give or take the slack.
 */
#include <stdlib.h>
#include <string.h>

#include "rule.h"

static const int64_t SECOND_NS = 1000000000;

struct recent {
	int64_t out_ns;
	uint16_t server;
};

void first_init(struct first *f, unsigned server_n)
{
	f->least_ns = zeroed((size_t)2 * server_n, sizeof(*f->least_ns));
	f->most_ns = f->least_ns + server_n;
	for (unsigned i = 0; i < 2 * server_n; i++)
		f->least_ns[i] = INT64_MIN / 2;
	f->behind = zeroed(server_n, sizeof(*f->behind));
	ring_init(&f->recent, sizeof(struct recent));
}

void first_free(struct first *f)
{
	free(f->least_ns);
	free(f->behind);
	ring_free(&f->recent);
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t token_ns(const struct moment *m, unsigned server)
{
	return SECOND_NS / (int64_t)m->b->conf->server[server].qps;
}

static int64_t earliest(const struct moment *m)
{
	return m->in_ns - judge_slack_ns(m->j);
}

static int64_t latest(const struct moment *m)
{
	return m->out_ns + judge_slack_ns(m->j);
}

/* Whatever was drawn before: the server had room. */
static bool surely_room(const struct moment *m, unsigned server)
{
	if (m->b->conf->server[server].qps == 0)
		return true;
	int64_t token = token_ns(m, server), most = m->k->first.most_ns[server];
	if (m->k->ahead[server] > 0)
		most = later(most, latest(m)) + token * m->k->ahead[server];
	return most + token <= earliest(m) + SECOND_NS;
}

static bool surely_none(const struct moment *m, unsigned server)
{
	if (m->b->conf->server[server].qps == 0)
		return false;
	int64_t token = token_ns(m, server), least = m->k->first.least_ns[server];
	least -= token * m->k->first.behind[server];
	return least + token > latest(m) + SECOND_NS;
}

/* Some server that is up other than this one surely had room: nobody fell back. */
static bool another_has_room(const struct moment *m, unsigned *which)
{
	for (unsigned i = 0; i < m->b->conf->server_n; i++)
		if (i != m->server && m->b->server[i].state == SERVER_UP && surely_room(m, i)) {
			*which = i;
			return true;
		}
	return false;
}

void first_look(const struct moment *m)
{
	struct first *f = &m->k->first;
	struct ring *r = &f->recent;
	unsigned starts = balancer_starts(m->j, m->b, 0, m->out_ns);

	for (unsigned i = 0; i < m->b->conf->server_n && starts != f->starts; i++)
		f->least_ns[i] = INT64_MIN / 2;
	f->starts = starts;

	memset(f->behind, 0, m->b->conf->server_n * sizeof(*f->behind));
	while (r->base < r->next && ((const struct recent *)ring_at(r, r->base))->out_ns < m->in_ns)
		r->base++;
	for (uint64_t i = r->base; i < r->next; i++) {
		const struct recent *c = ring_at(r, i);
		f->behind[c->server] += c->out_ns >= m->in_ns;
	}
}

void first_take(const struct moment *m, bool clear)
{
	struct first *f = &m->k->first;
	unsigned s = m->server, other;

	*(struct recent *)ring_push(&f->recent) = (struct recent){ m->out_ns, (uint16_t)s };
	if (m->b->conf->server[s].qps == 0)
		return;
	bool surely = clear && (surely_room(m, s) || another_has_room(m, &other));
	int64_t token = token_ns(m, s), most = later(f->most_ns[s], latest(m)) + token;
	/* no token is taken beyond that; some that are counted already may have been taken later */
	int64_t full = latest(m) + SECOND_NS + token * f->behind[s];
	if (!clear)
		f->most_ns[s] = most;
	else if (surely)
		f->most_ns[s] = most < full ? most : full;
	else
		f->most_ns[s] = later(f->most_ns[s], most < full ? most : full);
	if (surely)
		f->least_ns[s] = later(f->least_ns[s], earliest(m)) + token;
}

static struct opinion wrong(unsigned better, bool spent)
{
	return (struct opinion){ .is = OPINION_WRONG, .better = (uint16_t)better, .spent = spent };
}

static unsigned up_n(const struct moment *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->b->conf->server_n; i++)
		n += m->b->server[i].state == SERVER_UP;
	return n;
}

/* The chosen one had no room: all others had none either, or it isn't known, or it's wrong. */
static struct opinion think_spent(const struct moment *m)
{
	unsigned other;

	if (another_has_room(m, &other))
		return wrong(other, true);
	for (unsigned i = 0; i < m->b->conf->server_n; i++)
		if (m->b->server[i].state == SERVER_UP && !surely_none(m, i))
			return (struct opinion){ .is = OPINION_OPEN };
	return least_think(m);
}

struct opinion first_think(const struct moment *m)
{
	bool open = false;

	for (unsigned i = 0; i < m->server; i++) {
		if (m->b->server[i].state != SERVER_UP)
			continue;
		if (surely_room(m, i))
			return wrong(i, false);
		open = open || !surely_none(m, i);
	}
	if (surely_none(m, m->server))
		return think_spent(m);
	if (open || !surely_room(m, m->server))
		return (struct opinion){ .is = OPINION_OPEN };
	return (struct opinion){ .is = OPINION_RIGHT, .telling = up_n(m) > 1 };
}
