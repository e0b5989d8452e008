/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tags that rules give to a query, by which later rules know it, those about its answer too: names
 * with values, kept in a few bytes for each query. A name that has a value gets the new one. For
 * the balancer core and the functions that it calls.
 */
#ifndef EK_BALANCER_TAGS_H
#define EK_BALANCER_TAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "lib/arena.h"

enum {
	TAGS_BYTES = 510,              /* of all tags of a query */
	TAG_MAX = 255,                 /* bytes of a name, and of a value */
};

/* Each tag is a name and a value, each behind a byte with its length. */
struct tags {
	uint16_t len;
	uint8_t bytes[TAGS_BYTES];
};

/* Where the value of a name stands, a byte with its length first; NULL: there is none. */
const uint8_t *tags_find(const struct tags *t, const uint8_t *name, size_t len);
/*
 * Sets a tag. False: there is no room, and nothing is changed. len and value_len: TAG_MAX at most.
 */
bool tags_set(struct tags *t, const uint8_t *name, size_t len, const uint8_t *value,
              size_t value_len);
/* The same of one in that form. */
bool tags_set_one(struct tags *t, const uint8_t *tag);
/* Whether it has that tag's name and, with value, its value. */
bool tags_have(const struct tags *t, const uint8_t *tag, bool value);

/* Those of the query at hand, and of all that are out. */
struct tag_store {
	struct tags now;
	struct tags *kept;             /* by server and place in the ID table; NULL: no rule tags */
	struct tags *kept_tcp;         /* behind those: by place among the queries over TCP */
	uint32_t each;                 /* of one server */
	uint64_t *crowded;             /* counts tags that found no room */
};

/* 512 bytes of zero pages for each query that may be out, touched only where used. */
size_t tags_arena_size(const struct bal_conf *conf);
void tags_init(struct tag_store *s, struct arena *a, const struct bal_conf *conf);
static inline void tags_copy(struct tags *to, const struct tags *from)
{
	to->len = from->len;
	__builtin_memcpy(to->bytes, from->bytes, from->len);
}
static inline struct tags *tags_at(const struct tag_store *s, unsigned server, uint32_t slot)
{
	return &s->kept[(size_t)server * s->each + slot];
}
/* The query at hand is out in that place; and: the one in that place is at hand. */
static inline void tags_keep(const struct tag_store *s, unsigned server, uint32_t slot)
{
	if (s->kept != NULL)
		tags_copy(tags_at(s, server, slot), &s->now);
}
static inline void tags_recall(struct tag_store *s, unsigned server, uint32_t slot)
{
	if (s->kept != NULL)
		tags_copy(&s->now, tags_at(s, server, slot));
}
/* The same over TCP. */
static inline void tags_keep_tcp(const struct tag_store *s, uint32_t slot)
{
	if (s->kept != NULL)
		tags_copy(&s->kept_tcp[slot], &s->now);
}
static inline void tags_recall_tcp(struct tag_store *s, uint32_t slot)
{
	if (s->kept != NULL)
		tags_copy(&s->now, &s->kept_tcp[slot]);
}
/* The query in that place is out in another one, too; for reloads, of another store. */
static inline void tags_move(const struct tag_store *to, unsigned server, uint32_t slot,
                             const struct tag_store *from, unsigned old_server, uint32_t old_slot)
{
	if (to->kept != NULL && from->kept != NULL)
		tags_copy(tags_at(to, server, slot), tags_at(from, old_server, old_slot));
}
static inline void tags_move_tcp(const struct tag_store *to, const struct tag_store *from,
                                 uint32_t slot)
{
	if (to->kept != NULL && from->kept != NULL)
		tags_copy(&to->kept_tcp[slot], &from->kept_tcp[slot]);
}

#endif
