/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose answer is it? The clients' tries by key: a value of the table by_key is the index of a
 * query, and above it for a later try which one. A key may come again while the earlier is
 * remembered, so entries of one are a chain, and asked.c says which of them an answer is for.
 */
#ifndef EK_JUDGE_ASKED_H
#define EK_JUDGE_ASKED_H

#include "inner.h"

enum { TRY_SHIFT = 40, TRIES_MAX = 16 }; /* a table value: try number above the query's index */

static inline uint64_t index_of(uint64_t value)
{
	return value & ((1ull << TRY_SHIFT) - 1);
}

/* Index + 1 of the query that comes steps before; 0: none that is remembered. */
static inline uint64_t back_from(const struct client *c, uint64_t index, uint32_t steps)
{
	bool kept = steps > 0 && steps <= index && index - steps >= c->query.base;

	return kept ? index - steps + 1 : 0;
}

/* The newest query of a table's entry, as index + 1; 0: none that is remembered. */
static inline uint64_t newest(const struct client *c, const uint64_t *value)
{
	return value != NULL && index_of(*value) >= c->query.base ? index_of(*value) + 1 : 0;
}

/* From 1; a table value of a first try has none. */
static inline uint64_t try_of(uint64_t value)
{
	return value >> TRY_SHIFT > 0 ? value >> TRY_SHIFT : 1;
}

/* The bit of struct query's answered; 0 for tries that are too many to be told apart. */
static inline uint32_t try_bit(uint64_t try, bool tcp)
{
	return try <= TRIES_MAX ? 1u << ((try - 1) * 2 + tcp) : 0;
}

/* The key of a later try. Its balancer is a part of it, since each try may ask another. */
uint64_t later_key_of(const struct ip *client, uint16_t port, const struct ip *to,
                      const struct judge_message *m);
/*
 * The value for the try that f with m is an answer to, or would be with another port or sender;
 * NULL: there is none. value: room for it.
 */
const uint64_t *answered_try(const struct client *c, const struct frame *f,
                             const struct judge_message *m, uint64_t *value);

#endif
