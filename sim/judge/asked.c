/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which try of which query an answer belongs to; see asked.h. Nothing is changed here. At high
 * rates a socket's IDs come round within the time for which tries are remembered, so the port, ID,
 * question and balancer of an answer may be those of several.
 */
#include "asked.h"

/* Is f an answer to the first try of q, with just this key, port and balancer? */
static bool fits(const struct client *c, const struct frame *f, uint64_t key,
                 const struct query *q)
{
	return q->key == key && q->tries == 1 && q->port == f->dst.port &&
	       same_ip(query_to(c, q), &f->src.ip);
}

/* The value for the query of this key that this is an answer to; NULL: there is none. */
static const uint64_t *asked_for(const struct client *c, const struct frame *f, uint64_t key,
                                 uint64_t *value)
{
	const uint64_t *v = table_find(&c->by_key, key);

	for (uint64_t i = newest(c, v); i > 0;) {
		const struct query *q = ring_at(&c->query, i - 1);
		uint64_t index = i - 1;
		i = back_from(c, index, q->before);
		if (!fits(c, f, key, q))
			continue;
		*value = index;
		if (q->answer_ns == NEVER && q->answered == 0)
			return value;
		v = value;
	}
	return newest(c, v) > 0 ? v : NULL;
}

uint64_t later_key_of(const struct ip *client, uint16_t port, const struct ip *to,
                      const struct judge_message *m)
{
	return key_of(client, port, m->id, dns_hash(to->b, sizeof(to->b), m->question));
}

static bool try_answered(const struct client *c, uint64_t value, bool tcp)
{
	const struct query *q = ring_at(&c->query, index_of(value));

	return (q->answered & try_bit(try_of(value), tcp)) != 0;
}

/* About when it left: a later one when those before it had timed out. */
static int64_t try_left_ns(const struct client *c, uint64_t value)
{
	const struct query *q = ring_at(&c->query, index_of(value));

	return query_left_ns(q) + (int64_t)(try_of(value) - 1) * query_load(c, q)->timeout_ns;
}

/*
 * A later try and a first one have all in common when the socket's IDs have come round while the
 * earlier is remembered: the answer is that one's which has none yet, or left last.
 */
static bool first_rather(const struct client *c, uint64_t later, uint64_t first, bool tcp)
{
	bool has = try_answered(c, later, tcp);

	if (has != try_answered(c, first, tcp))
		return has;
	return try_left_ns(c, first) > try_left_ns(c, later);
}

const uint64_t *answered_try(const struct client *c, const struct frame *f,
                             const struct judge_message *m, uint64_t *value)
{
	uint64_t key = key_of(&f->dst.ip, 0, m->id, m->question);
	const uint64_t *later = c->again ? table_find(&c->by_key, later_key_of(&f->dst.ip,
	                                              f->dst.port, &f->src.ip, m)) : NULL;
	const uint64_t *first = asked_for(c, f, key, value);

	if (newest(c, later) == 0)
		return first;
	bool rather = first != NULL && *first >> TRY_SHIFT == 0 &&
	              fits(c, f, key, ring_at(&c->query, index_of(*first))) &&
	              first_rather(c, *later, *first, f->kind == FRAME_TCP);
	return rather ? first : later;
}
