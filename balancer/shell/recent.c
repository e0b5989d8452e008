/* SPDX-License-Identifier: BSD-3-Clause */
/* Two rings of entries; see recent.h. */
#include "recent.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct ring {
	struct top_entry *entry;
	uint64_t n;             /* ever */
};

struct recent {
	pthread_mutex_t lock;   /* of what follows */
	uint32_t entries;       /* of a ring */
	struct ring query, answer;
	struct ip client[DGRAM_BATCH]; /* who asked, of the batch at hand */
	bool asks[DGRAM_BATCH];
};

static struct top_entry *entries_new(uint32_t n)
{
	struct top_entry *e = calloc(n, sizeof(*e)); /* zero pages until they are used */

	MUST(e != NULL);
	return e;
}

struct recent *recent_new(uint32_t entries)
{
	if (entries == 0)
		return NULL;
	struct recent *r = calloc(1, sizeof(*r));
	MUST(r != NULL && pthread_mutex_init(&r->lock, NULL) == 0);
	r->entries = entries;
	r->query.entry = entries_new(entries);
	r->answer.entry = entries_new(entries);
	return r;
}

/* What dnsdist's rings have: what was asked by who may, and could be read. */
static bool is_query(enum bal_verdict v)
{
	switch (v) {
	case BAL_DROP_ACL: case BAL_DROP_SHORT: case BAL_DROP_RESPONSE: case BAL_DROP_BROKEN:
	case BAL_NOTIMP: case BAL_DROP_EMPTY: case BAL_TCP_GONE:
		return false;
	default:
		return true;
	}
}

static bool is_answer(enum bal_verdict v)
{
	return v == BAL_ANSWER || v == BAL_TCP_ANSWER || v == BAL_CACHE_HIT;
}

static void keep(struct recent *r, struct ring *ring, const struct dgram *d,
                 const struct ip *client)
{
	struct dns_question q;

	if (d->len < DNS_HEADER || dns_question(&q, d->data, d->len) < 0)
		return;
	struct top_entry *e = &ring->entry[ring->n++ % r->entries];
	e->client = *client;
	e->rcode = dns_flags(d->data) & DNS_RCODE;
	e->name_len = (uint8_t)q.name_len;
	memcpy(e->name, d->data + DNS_HEADER, q.name_len);
}

static void keep_batch(struct recent *r, const struct dgram *d, unsigned n)
{
	if (pthread_mutex_trylock(&r->lock) != 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		enum bal_verdict v = d[i].verdict;
		if (r->asks[i] && is_query(v))
			keep(r, &r->query, &d[i], &r->client[i]);
		if (is_answer(v))
			keep(r, &r->answer, &d[i], &d[i].peer.ip);
	}
	pthread_mutex_unlock(&r->lock);
}

void recent_rx(struct recent *r, struct bal *b, int64_t now_ns, struct dgram *d, unsigned n)
{
	if (r == NULL) {
		bal_rx(b, now_ns, d, n);
		return;
	}
	for (unsigned at = 0, some; at < n; at += some) {
		some = n - at < DGRAM_BATCH ? n - at : DGRAM_BATCH;
		for (unsigned i = 0; i < some; i++) {
			r->client[i] = d[at + i].peer.ip;
			r->asks[i] = d[at + i].port == 0;
		}
		bal_rx(b, now_ns, d + at, some);
		keep_batch(r, d + at, some);
	}
}

void recent_copy(struct recent *r, bool answers, struct top_entry **list, size_t *n)
{
	if (r == NULL)
		return;
	const struct ring *ring = answers ? &r->answer : &r->query;
	struct top_entry *more = realloc(*list, (*n + r->entries) * sizeof(*more));
	MUST(more != NULL);
	*list = more;
	pthread_mutex_lock(&r->lock);
	size_t kept = ring->n < r->entries ? (size_t)ring->n : r->entries;
	memcpy(more + *n, ring->entry, kept * sizeof(*more));
	pthread_mutex_unlock(&r->lock);
	*n += kept;
}
