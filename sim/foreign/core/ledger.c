/* SPDX-License-Identifier: BSD-3-Clause */
/* Queries that wait for their answers, in a table of one size; see ledger.h. */
#include "ledger.h"

#include <string.h>

enum { KEY_SIZE = 48 };
static const int64_t AGAIN_NS = 10000000, FRESH_NS = 1000000;

/* Which of the ledger's servers; the last stands for the balancers. */
static uint16_t index_of(const struct party *p)
{
	return p->side == SIDE_FRONT ? WHO_BACKENDS : (uint16_t)p->backend;
}

size_t ledger_arena_size(void)
{
	return lru_arena_size(LEDGER_OPEN, KEY_SIZE) +
	       arena_need(LEDGER_OPEN, sizeof(struct ledger_query));
}

void ledger_init(struct ledger *l, struct arena *a)
{
	lru_init(&l->open, a, LEDGER_OPEN, KEY_SIZE, 1);
	l->query = arena_take(a, LEDGER_OPEN, sizeof(*l->query));
	l->last_ns = INT64_MIN;
}

/* Both ends, ID, transport and question. */
static void key_of(uint8_t key[KEY_SIZE], const struct capture_message *m)
{
	const struct ep *c = capture_client(m), *s = capture_server(m);
	uint64_t name = m->asks ? dns_name_hash(m->m + DNS_HEADER, m->question.name_len, 1) : 0;

	memset(key, 0, KEY_SIZE);
	name ^= m->asks ? (uint64_t)m->question.type << 16 | m->question.class : 0;
	memcpy(key, c->ip.b, 16);
	memcpy(key + 16, s->ip.b, 16);
	memcpy(key + 32, &name, 8);
	dns_put16(key + 40, c->port);
	dns_put16(key + 42, s->port);
	memcpy(key + 44, m->m, 2);
	key[46] = m->tcp;
}

/* A query leaves the table; at_end: the capture is over. */
static void settle(struct ledger *l, uint32_t slot, bool forced, bool at_end)
{
	const struct ledger_query *q = &l->query[slot];
	struct ledger_server *s = &l->server[q->backend];
	bool waited = l->last_ns - q->t_ns > l->timeout_ns;

	if (q->answer_ns != INT64_MIN) {
		lru_drop(&l->open, slot);
		return;
	}
	if (q->check)
		s->checks_unanswered += waited;
	else if (forced && !waited)
		s->forgotten++;
	else if (at_end && !waited)
		s->open++;
	else
		s->unanswered++;
	lru_drop(&l->open, slot);
}

static void expire(struct ledger *l, int64_t t_ns)
{
	while (l->open.used > 0 &&
	       t_ns - l->query[lru_oldest(&l->open)].t_ns > LEDGER_KEEP_NS)
		settle(l, lru_oldest(&l->open), false, false);
}

/* Was answered so short a time ago that what comes again is a copy. */
static bool fresh(const struct ledger_query *q, int64_t t_ns)
{
	return q->answer_ns != INT64_MIN && t_ns - q->answer_ns < FRESH_NS;
}

static bool query(struct ledger *l, const struct capture_message *m, const struct party *p)
{
	struct ledger_server *s = &l->server[index_of(p)];
	int64_t again_ns = p->side == SIDE_FRONT ? AGAIN_NS : l->timeout_ns;
	uint8_t key[KEY_SIZE];

	key_of(key, m);
	uint32_t hash = lru_hash(&l->open, key), slot = lru_find_hashed(&l->open, key, hash);
	if (slot != LRU_NONE) {
		const struct ledger_query *q = &l->query[slot];
		bool over = q->answer_ns != INT64_MIN || m->t_ns - q->t_ns > again_ns;
		if (!over || fresh(q, m->t_ns))
			return false;
		settle(l, slot, true, false);
	}
	if (lru_full(&l->open))
		settle(l, lru_oldest(&l->open), true, false);
	slot = lru_add_hashed(&l->open, key, hash);
	bool check = p->side == SIDE_BACK && check_asked(&l->check[p->backend], m);
	l->query[slot] = (struct ledger_query){ m->t_ns, INT64_MIN, index_of(p), check };
	s->checks += check;
	s->queries += !check;
	return true;
}

static bool answer(struct ledger *l, const struct capture_message *m, const struct party *p)
{
	struct ledger_server *s = &l->server[index_of(p)];
	uint8_t key[KEY_SIZE];

	key_of(key, m);
	uint32_t slot = lru_find(&l->open, key);
	if (slot == LRU_NONE) {
		s->answers_unasked += m->t_ns - l->first_ns > 2 * l->timeout_ns;
		return true;
	}
	struct ledger_query *q = &l->query[slot];
	if (q->answer_ns != INT64_MIN)
		return false;
	q->answer_ns = m->t_ns;
	if (q->check)
		return true;
	int64_t took_ns = m->t_ns - q->t_ns;
	s->answered += took_ns <= l->timeout_ns;
	s->late += took_ns > l->timeout_ns;
	s->failed += (dns_flags(m->m) & DNS_RCODE) == DNS_SERVFAIL;
	hist_add(&s->times, took_ns);
	return true;
}

bool ledger_add(struct ledger *l, const struct capture_message *m, const struct party *p)
{
	const int *file = p->side == SIDE_FRONT ? &l->front_file[p->balancer] :
	                  &l->pair_file[p->balancer * WHO_BACKENDS + p->backend];

	if (*file != (int)m->file) {
		l->copies_of_files += *file >= 0;
		return false;
	}
	l->last_ns = m->t_ns > l->last_ns ? m->t_ns : l->last_ns;
	expire(l, m->t_ns);
	bool counts = m->answer ? answer(l, m, p) : query(l, m, p);
	l->copies += !counts;
	return counts;
}

void ledger_end(struct ledger *l)
{
	while (l->open.used > 0)
		settle(l, lru_oldest(&l->open), false, true);
}
