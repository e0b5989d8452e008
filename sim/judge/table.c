/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hash table with linear probing whose keys are hashes already, and the reading of datagrams that
 * makes those keys. Dropping shifts back what follows, so there are no tombstones and a table of
 * what is pending stays small however long a capture is.
 */
#include <stdlib.h>
#include <string.h>

#include "inner.h"

enum { TABLE_LEAST = 64 };

static struct slot *slots_new(uint64_t n)
{
	struct slot *s = calloc(n, sizeof(*s));

	MUST(s != NULL);
	return s;
}

void table_init(struct table *t, uint64_t expected)
{
	uint64_t size = TABLE_LEAST;

	while (size < expected * 2)
		size *= 2;
	*t = (struct table){ slots_new(size), size - 1, 0 };
}

void table_free(struct table *t)
{
	free(t->slot);
	t->slot = NULL;
}

static void table_double(struct table *t)
{
	struct table old = *t;

	*t = (struct table){ slots_new((old.mask + 1) * 2), old.mask * 2 + 1, 0 };
	for (uint64_t i = 0; i <= old.mask; i++)
		if (old.slot[i].key != 0)
			table_put(t, old.slot[i].key, old.slot[i].value);
	free(old.slot);
}

void table_put(struct table *t, uint64_t key, uint64_t value)
{
	uint64_t i = key & t->mask;

	DMUST(key != 0);
	while (t->slot[i].key != 0 && t->slot[i].key != key)
		i = (i + 1) & t->mask;
	bool fresh = t->slot[i].key == 0;
	t->slot[i] = (struct slot){ key, value };
	if (fresh && ++t->n * 3 > t->mask * 2)
		table_double(t);
}

uint64_t *table_find(const struct table *t, uint64_t key)
{
	uint64_t i = key & t->mask;

	while (t->slot[i].key != 0) {
		if (t->slot[i].key == key)
			return &t->slot[i].value;
		i = (i + 1) & t->mask;
	}
	return NULL;
}

void table_drop(struct table *t, uint64_t key)
{
	uint64_t hole = key & t->mask;

	while (t->slot[hole].key != key) {
		if (t->slot[hole].key == 0)
			return;
		hole = (hole + 1) & t->mask;
	}
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
	t->slot[hole] = (struct slot){ 0, 0 };
}

void *grow(void *p, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return p;
	*cap = *cap > 0 ? *cap * 2 : 256;
	p = realloc(p, *cap * size);
	MUST(p != NULL);
	return p;
}

static uint64_t mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	h ^= h >> 29;
	h *= 0xd6e8feb86659fd93u;
	return h ^ h >> 32;
}

uint64_t question_hash(const uint8_t *name, size_t len, uint16_t type, uint16_t class)
{
	return dns_name_hash(name, len, (uint64_t)type << 16 | class);
}

uint64_t key_of(const struct ip *ip, uint16_t port, uint16_t id, uint64_t question)
{
	uint64_t a, b;

	memcpy(&a, ip->b, 8);
	memcpy(&b, ip->b + 8, 8);
	uint64_t h = mix(question + ((uint64_t)port << 16 | id));
	h = mix(h ^ mix(a + 0x9e3779b97f4a7c15u) ^ b);
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
