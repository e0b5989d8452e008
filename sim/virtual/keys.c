/* SPDX-License-Identifier: BSD-3-Clause */
/* A map of hashes; see keys.h. */
#include "keys.h"

#include <stdlib.h>

#include "lib/must.h"

enum { LEAST = 256 };

static struct key_slot *slots(uint64_t n)
{
	struct key_slot *s = calloc(n, sizeof(*s));

	MUST(s != NULL);
	return s;
}

void keys_init(struct keys *k)
{
	*k = (struct keys){ slots(LEAST), LEAST - 1, 0 };
}

void keys_free(struct keys *k)
{
	free(k->slot);
}

static uint64_t at(const struct keys *k, uint64_t key)
{
	uint64_t i = key & k->mask;

	while (k->slot[i].key != 0 && k->slot[i].key != key)
		i = (i + 1) & k->mask;
	return i;
}

void keys_put(struct keys *k, uint64_t key, uint64_t value)
{
	MUST(key != 0);
	if (k->n * 3 > k->mask * 2) {
		struct keys old = *k;
		*k = (struct keys){ slots((old.mask + 1) * 2), old.mask * 2 + 1, 0 };
		for (uint64_t i = 0; i <= old.mask; i++)
			if (old.slot[i].key != 0)
				keys_put(k, old.slot[i].key, old.slot[i].value);
		free(old.slot);
	}
	uint64_t i = at(k, key);
	k->n += k->slot[i].key == 0;
	k->slot[i] = (struct key_slot){ key, value };
}

uint64_t *keys_find(const struct keys *k, uint64_t key)
{
	uint64_t i = at(k, key);

	return k->slot[i].key != 0 ? &k->slot[i].value : NULL;
}

void keys_drop(struct keys *k, uint64_t key)
{
	uint64_t hole = at(k, key);

	if (k->slot[hole].key == 0)
		return;
	k->n--;
	for (uint64_t i = (hole + 1) & k->mask; k->slot[i].key != 0; i = (i + 1) & k->mask) {
		uint64_t home = k->slot[i].key & k->mask;
		if (((i - home) & k->mask) >= ((i - hole) & k->mask)) {
			k->slot[hole] = k->slot[i];
			hole = i;
		}
	}
	k->slot[hole] = (struct key_slot){ 0, 0 };
}
