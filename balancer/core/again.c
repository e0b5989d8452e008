/* SPDX-License-Identifier: BSD-3-Clause */
/* Queries that may be tried again; see again.h. */
#include "again.h"

#include <string.h>

size_t again_arena_size(const struct bal_conf *conf)
{
	size_t all = (size_t)bal_conf_servers(conf) * conf->max_outstanding;
	size_t n = conf->udp_retry_ns > 0 ? all : 0;

	return n > 0 ? arena_need(n, sizeof(struct again_kept)) : 0;
}

void again_init(struct again *a, struct arena *arena, const struct bal_conf *conf)
{
	*a = (struct again){ .each = conf->max_outstanding };
	if (again_arena_size(conf) > 0)
		a->kept = arena_take(arena, (size_t)bal_conf_servers(conf) * conf->max_outstanding,
		                     sizeof(*a->kept));
}

struct again_kept *again_at(const struct again *a, unsigned server, uint32_t slot)
{
	return &a->kept[(size_t)server * a->each + slot];
}

void again_keep(const struct again *a, unsigned server, uint32_t slot, const struct dgram *d)
{
	struct again_kept *k = again_at(a, server, slot);

	k->twin = 0;
	k->over = false;
	k->len = d->len <= AGAIN_BYTES ? d->len : 0;
	memcpy(k->data, d->data, k->len);
}

void again_twins(const struct again *a, unsigned server, uint32_t slot, unsigned second,
                 uint32_t second_slot)
{
	struct again_kept *k = again_at(a, second, second_slot);

	again_at(a, server, slot)->twin = 1 + ((uint32_t)second << 16 | second_slot);
	k->twin = 1 + ((uint32_t)server << 16 | slot);
	k->over = false;
	k->len = 0;
}

bool again_end(const struct again *a, unsigned server, uint32_t slot)
{
	const struct again_kept *k = again_at(a, server, slot);
	uint32_t twin = k->twin - 1;

	if (k->twin == 0)
		return !k->over;
	struct again_kept *other = again_at(a, twin >> 16, twin & 0xffff);
	other->twin = 0;
	other->over = true;
	return !k->over;
}
