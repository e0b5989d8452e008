/* SPDX-License-Identifier: BSD-3-Clause */
/* What time alone does to queries that are out: they end, or are tried again; see bal.h. */
#include "bal_impl.h"

#include <string.h>

#include "lib/ecs.h"
#include "lib/proxy.h"
#include "own.h"

/* What may go into a query for a server. */
enum { ROOM = PROXY_MAX + ECS_ADDED_MAX };

static const int64_t SECOND_NS = 1000000000;

/* When query q's time is over. */
static int64_t until_ns(const struct bal *b, unsigned server, const struct idt_query *q)
{
	int64_t tick = 1;

	if (!HAS_DEFECT(b->conf, DEFECT_EXPIRY_TICKS))
		return idt_until_ns(&b->out, server, q);
	/* As dnsdist did it: each scan, one for all, first compares an age and then raises it. */
	if (b->conf->server_n > 0)
		tick = b->conf->server[0].check.interval_ns;
	return (q->sent_ns / tick + b->conf->udp_timeout_ns / SECOND_NS + 2) * tick;
}

/* When the next query is to be tried again, and which; INT64_MAX: none. */
static int64_t retry_ns(const struct bal *b, unsigned *server, const struct idt_query **q)
{
	if (b->again.kept == NULL)
		return INT64_MAX;
	*q = idt_young(&b->out, server);
	return *q != NULL ? (*q)->sent_ns + b->conf->udp_retry_ns : INT64_MAX;
}

/* Ends what nobody answered in time. An answer at the very moment is too late. */
static void expire(struct bal *b)
{
	unsigned server;

	for (struct idt_query *q; (q = idt_oldest(&b->out, &server)) != NULL;) {
		if (until_ns(b, server, q) > b->now_ns)
			return;
		bool owed = bal_is_owed(b, server, q);
		bal_settle(b, server, q, owed && b->conf->servfail_on_timeout);
		lazy_unanswered(b->shared->lazy, server);
		b->server[server].timeouts++;
		atomic_fetch_add_explicit(&b->shared->server[server].timeouts, 1,
		                          memory_order_relaxed);
		if (HAS_DEFECT(b->conf, DEFECT_OUTSTANDING_DRIFT))
			atomic_fetch_add_explicit(&b->shared->server[server].outstanding, 1,
			                          memory_order_relaxed);
		b->timeouts++;
	}
}

void bal_begin(struct bal *b, int64_t now_ns)
{
	MUST(now_ns >= b->now_ns);
	b->now_ns = now_ns;
	expire(b);
}

/* SERVFAIL to the client of a query whose time is over. */
static void tell_timeout(struct bal *b, const struct idt_query *q, struct dgram *d)
{
	own_servfail(d, q, &b->conf->quirks);
	bal_give_back(d, q);
	d->verdict = BAL_TIMED_OUT;
	b->counts.rcode[DNS_SERVFAIL]++;
}

/* Sends the query that waits for server once more, to another one. False: it doesn't go out. */
static bool try_again(struct bal *b, unsigned server, const struct idt_query *q, struct dgram *d)
{
	uint32_t slot = idt_slot(&b->out, server, q);
	const struct again_kept *k = again_at(&b->again, server, slot);

	const struct policy *p = bal_policy(b, q->pool);
	int other = k->len > 0 && !k->over ? policy_other(p, server) : -1;
	if (other >= 0 && (b->conf->server[other].tcp_only || k->len + ROOM > d->cap))
		return false;
	struct idt_query *n = other < 0 ? NULL : idt_take(&b->out, &b->random, (unsigned)other);
	if (n == NULL)
		return false;
	idt_copy(n, q);
	n->sent_ns = b->now_ns;
	uint32_t second = idt_slot(&b->out, (unsigned)other, n);
	again_twins(&b->again, server, slot, (unsigned)other, second);
	cache_keep_again(&b->cache, server, slot, (unsigned)other, second);
	late_ask_again(&b->late, server, slot, (unsigned)other, second);
	tags_move(&b->rules.tags, (unsigned)other, second, &b->rules.tags, server, slot);
	static const struct bal_ecs_said nothing;
	const struct bal_ecs_said *ecs = brules_ecs(&b->rules, server, slot);
	if (ecs != NULL)
		*brules_ecs(&b->rules, (unsigned)other, second) = *ecs;
	MUST(d->cap >= k->len);
	memcpy(d->data, k->data, k->len);
	d->len = k->len;
	d->peer = q->client;
	d->local = q->local;
	bal_send_to(b, d, (unsigned)other, n, ecs != NULL ? ecs : &nothing);
	d->verdict = BAL_RETRY;
	return true;
}

/* The next that time alone made due. False: there is none. */
static bool poll_one(struct bal *b, struct dgram *d)
{
	unsigned server;
	const struct idt_query *q = idt_held(&b->out, &server);

	if (q != NULL) {
		tell_timeout(b, q, d);
		idt_let_go(&b->out);
		return true;
	}
	while (retry_ns(b, &server, &q) <= b->now_ns) {
		idt_pass(&b->out);
		if (try_again(b, server, q, d))
			return true;
	}
	return false;
}

unsigned bal_poll(struct bal *b, int64_t now_ns, struct dgram *d, unsigned max)
{
	bal_begin(b, now_ns);
	b->batch++;
	unsigned n = late_take(&b->late, now_ns, d, max);
	for (; n < max && poll_one(b, &d[n]); n++) {
		d[n].proto = DGRAM_UDP;
		d[n].t_ns = b->now_ns;
		b->count[d[n].verdict]++;
	}
	return n;
}

int64_t bal_deadline(const struct bal *b)
{
	unsigned server = 0, other;
	const struct idt_query *q = idt_oldest(&b->out, &server), *young;

	int64_t late = late_due_ns(&b->late);

	if (idt_held(&b->out, &other) != NULL)
		return b->now_ns;
	if (q == NULL)
		return late;
	int64_t over = until_ns(b, server, q), again = retry_ns(b, &server, &young);
	over = again < over ? again : over;
	return late < over ? late : over;
}
