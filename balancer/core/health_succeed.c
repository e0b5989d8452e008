/* SPDX-License-Identifier: BSD-3-Clause */
/* Health checks go on under another configuration; see succeed.h. */
#include <string.h>

#include "health_impl.h"
#include "succeed.h"

/* Answers to probes of one are answers to probes of the other. */
static bool same_probe(const struct bal_check *a, const struct bal_check *b)
{
	return a->tcp == b->tcp && a->lazy.on == b->lazy.on && a->type == b->type &&
	       (a->function == 0) == (b->function == 0) &&
	       a->class == b->class && a->set_cd == b->set_cd &&
	       dns_name_eq(a->name, a->name_len, b->name, b->name_len);
}

/* When the next probe of server is due; INT64_MAX: none is planned. */
static int64_t planned(const struct health *h, unsigned server)
{
	int64_t due_ns = INT64_MAX;

	for (size_t i = 0; i < h->timers.n; i++)
		if (h->timers.item[i].what == (uint64_t)server << 32)
			due_ns = h->timers.item[i].t_ns;
	return due_ns;
}

/* The newest of from's probes that are out and t has room for, and its timers. */
static void take_probes(struct health *h, unsigned server, const struct target *from,
                        int64_t due_ns, int64_t now_ns)
{
	const struct bal_check *c = &h->conf->server[server].check;
	struct target *t = &h->target[server];
	unsigned n = from->pending_n < t->pending_cap ? from->pending_n : t->pending_cap;

	memcpy(t->pending, from->pending + (from->pending_n - n), n * sizeof(*t->pending));
	t->pending_n = n;
	for (unsigned i = 0; i < n; i++)
		health_plan(h, t->pending[i].until_ns, server, t->pending[i].conn);
	int64_t most_ns = c->lazy.on ? due_ns : now_ns + c->interval_ns;
	health_plan(h, due_ns < most_ns ? due_ns : most_ns, server, 0);
}

static void succeed(struct health *h, unsigned server, const struct health *from, unsigned was,
                    int64_t now_ns)
{
	const struct bal_check *c = &h->conf->server[server].check;
	const struct bal_check *old = &from->conf->server[was].check;
	const struct target *o = &from->target[was];
	struct target *t = &h->target[server];
	struct target fresh = *t;

	health_drop_timers(h, server);
	h->unknown_n -= t->mode == BAL_CHECK_AUTO;
	*t = *o;
	t->pending = fresh.pending;
	t->pending_cap = fresh.pending_cap;
	t->pending_n = 0;
	t->failures = o->failures < c->max_failures ? o->failures : c->max_failures - 1;
	t->successes = o->successes < c->rise ? o->successes : c->rise - 1;
	t->queued = false;
	t->suspect = t->suspect && c->lazy.on;
	h->unknown_n += t->mode == BAL_CHECK_AUTO && !t->known;
	if (t->mode == BAL_CHECK_AUTO && same_probe(c, old))
		take_probes(h, server, o, planned(from, was), now_ns);
	else if (t->mode == BAL_CHECK_AUTO)
		health_plan(h, now_ns, server, 0);
	if (c->mode != old->mode)
		health_set_mode(h, now_ns, server, c->mode);
}

void health_succeed(struct health *to, const struct health *from, const struct bal_succession *s,
                    int64_t now_ns)
{
	to->random = from->random;
	for (unsigned i = 0; i < to->conf->server_n; i++)
		if (s->heir[i] != BAL_GONE)
			succeed(to, i, from, s->heir[i], now_ns);
	health_prune(to);
}
