/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables with linear probing: dropping shifts back what follows, so there are no tombstones and a
 * table of what is pending stays small however long a capture is. An aging table is two of them:
 * what is put goes into one, and from time to time the other is emptied and they change places.
 */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "inner.h"

enum { TABLE_LEAST = 64, RING_LEAST = 64, AGING_LEAST = 1024 };

void *zeroed(size_t n, size_t size)
{
	void *p = calloc(n + 1, size);

	MUST(p != NULL);
	return p;
}

void table_init(struct table *t, uint64_t expected)
{
	uint64_t size = TABLE_LEAST;

	while (size < expected * 2)
		size *= 2;
	*t = (struct table){ zeroed(size, sizeof(struct table_slot)), size - 1, 0 };
}

void table_free(struct table *t)
{
	free(t->slot);
	t->slot = NULL;
}

void table_double(struct table *t)
{
	struct table old = *t;
	uint64_t size = (old.mask + 1) * 2;

	*t = (struct table){ zeroed(size, sizeof(struct table_slot)), size - 1, old.n };
	for (uint64_t i = 0; i <= old.mask; i++)
		if (old.slot[i].key != 0)
			*table_place(t, old.slot[i].key) = old.slot[i];
	free(old.slot);
}

void table_drop_slot(struct table *t, struct table_slot *s)
{
	uint64_t hole = (uint64_t)(s - t->slot);

	t->n--;
	for (uint64_t i = hole;;) {
		i = (i + 1) & t->mask;
		if (t->slot[i].key == 0)
			break;
		uint64_t home = t->slot[i].key & t->mask;
		if (((i - home) & t->mask) >= ((i - hole) & t->mask)) {
			t->slot[hole] = t->slot[i];
			hole = i;
		}
	}
	t->slot[hole].key = 0;
}

void table_drop(struct table *t, uint64_t key)
{
	struct table_slot *s = table_slot(t, key);

	if (s != NULL)
		table_drop_slot(t, s);
}

void aging_init(struct aging *a, int64_t keep_ns)
{
	*a = (struct aging){ .turn_ns = NEVER, .keep_ns = keep_ns };
	table_init(&a->now, 0);
	table_init(&a->before, 0);
}

void aging_free(struct aging *a)
{
	table_free(&a->now);
	table_free(&a->before);
}

/* Empties a table; one that has become far too big is made anew. */
static void table_clear(struct table *t)
{
	if (t->n == 0)
		return;
	if (t->mask >= AGING_LEAST && t->n * 16 < t->mask) {
		table_free(t);
		table_init(t, 0);
		return;
	}
	memset(t->slot, 0, (t->mask + 1) * sizeof(*t->slot));
	t->n = 0;
}

static void aging_turn(struct aging *a, int64_t t_ns)
{
	struct table old = a->before;

	if (a->turn_ns == NEVER || t_ns - a->turn_ns >= a->keep_ns)
		table_clear(&a->now);
	table_clear(&old);
	a->before = a->now;
	a->now = old;
	a->turn_ns = t_ns + a->keep_ns;
}

void aging_put(struct aging *a, int64_t t_ns, uint64_t key, uint64_t value)
{
	if (t_ns >= a->turn_ns)
		aging_turn(a, t_ns);
	if (a->before.n > 0)
		table_drop(&a->before, key);
	table_put(&a->now, key, value);
}

bool aging_take(struct aging *a, uint64_t key, uint64_t *value)
{
	struct table *t = &a->now;
	struct table_slot *s = table_slot(t, key);

	if (s == NULL && a->before.n > 0) {
		t = &a->before;
		s = table_slot(t, key);
	}
	if (s == NULL)
		return false;
	*value = s->value;
	table_drop_slot(t, s);
	return true;
}

uint64_t *aging_find(struct aging *a, uint64_t key)
{
	uint64_t *v = table_find(&a->now, key);

	return v == NULL && a->before.n > 0 ? table_find(&a->before, key) : v;
}

size_t aging_n(const struct aging *a)
{
	return a->now.n + a->before.n;
}

void ring_init(struct ring *r, size_t size)
{
	*r = (struct ring){ .at = zeroed(RING_LEAST, size), .size = size, .mask = RING_LEAST - 1 };
}

void ring_free(struct ring *r)
{
	free(r->at);
	r->at = NULL;
}

void ring_double(struct ring *r)
{
	struct ring old = *r;

	r->mask = old.mask * 2 + 1;
	r->at = malloc((r->mask + 1) * r->size);
	MUST(r->at != NULL);
	for (uint64_t i = old.base; i < old.next; i++)
		memcpy(ring_at(r, i), ring_at(&old, i), r->size);
	free(old.at);
}

void *grow(void *p, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return p;
	*cap = *cap > 0 ? *cap * 2 : 16;
	p = realloc(p, *cap * size);
	MUST(p != NULL);
	return p;
}

/* Eight letters at once as small ones; whatever isn't a letter stays. */
static uint64_t folded(uint64_t v)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t low = v & 0x7f * ones;
	uint64_t upper = (low + (0x80 - 'A') * ones) ^ (low + (0x7f - 'Z') * ones);

	return v | (upper & ~v & 0x80 * ones) >> 2;
}

static uint64_t mixed(uint64_t h, uint64_t v)
{
	h = (h ^ folded(v)) * 0x9fb21c651e98df25u;
	return h ^ h >> 32;
}

uint64_t question_hash(const uint8_t *name, size_t len, uint16_t type, uint16_t class)
{
	uint64_t h = ((uint64_t)type << 32 | (uint64_t)class << 16 | len) * 0xd6e8feb86659fd93u;
	uint64_t v;

	for (; len >= 8; name += 8, len -= 8) {
		memcpy(&v, name, 8);
		h = mixed(h, v);
	}
	v = 0;
	for (size_t i = 0; i < len; i++)
		v |= (uint64_t)name[i] << (8 * i);
	h = mixed(h, v);
	h ^= h >> 29;
	return h != 0 ? h : 1;
}

bool judge_message_read(struct judge_message *msg, const uint8_t *m, size_t len)
{
	msg->m = m;
	msg->len = len;
	if (dns_question(&msg->q, msg->m, msg->len) < 0)
		return false;
	msg->id = dns_id(msg->m);
	msg->answer = (dns_flags(msg->m) & DNS_QR) != 0;
	msg->question = question_hash(msg->m + DNS_HEADER, msg->q.name_len, msg->q.type,
	                              msg->q.class);
	return true;
}

const struct judge_message *tap_message(const struct judge_tap *t, struct judge_message *space)
{
	if (t->message != NULL)
		return t->message;
	return judge_message_read(space, t->frame->payload, t->frame->payload_len) ? space : NULL;
}
