/* SPDX-License-Identifier: BSD-3-Clause */
/* Taking entries out of the packet cache in use, by count, age and name; see pcache.h. */
#include "pcache.h"

enum { NAME_AT = 1 + DNS_HEADER - 2, TYPE_ANY = 255 };

uint64_t pcache_expunge(struct pcache *c, uint64_t leave)
{
	return pcache_purge(c, INT64_MAX, leave);
}

uint64_t pcache_purge(struct pcache *c, int64_t now_ns, uint64_t leave)
{
	struct pcache_cursor at = { 0 };
	struct pcache_entry e;
	uint64_t n = 0;

	while (pcache_count(c) > leave && pcache_next(c, &at, &e))
		n += e.expiry_ns <= now_ns && pcache_remove(c, &e.key);
	return n;
}

/* The length of the name in a query's key, with its root; 0: there is none. */
static size_t name_len_of(const struct pcache_key *k)
{
	size_t at = NAME_AT;

	while (at < k->len && k->b[at] != 0)
		at += 1u + k->b[at];
	at++;
	return at + 4 <= k->len && at - NAME_AT <= DNS_NAME_MAX ? at - NAME_AT : 0;
}

/* Whether the name a is the last labels of b. */
static bool ends_in(const uint8_t *b, size_t b_len, const uint8_t *a, size_t a_len)
{
	while (b_len > a_len) {
		b_len -= 1u + b[0];
		b += 1u + b[0];
	}
	return dns_name_eq(b, b_len, a, a_len);
}

uint64_t pcache_expunge_name(struct pcache *c, const uint8_t *name, size_t name_len, uint16_t type,
                             bool suffix)
{
	struct pcache_cursor at = { 0 };
	struct pcache_entry e;
	uint64_t n = 0;

	while (pcache_next(c, &at, &e)) {
		const uint8_t *own = e.key.b + NAME_AT;
		size_t len = name_len_of(&e.key);
		if (len < name_len || (len > name_len && !suffix) ||
		    !ends_in(own, len, name, name_len) ||
		    (type != TYPE_ANY && dns_get16(own + len) != type))
			continue;
		n += pcache_remove(c, &e.key);
	}
	return n;
}
