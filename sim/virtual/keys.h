/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A map from 64-bit keys, which are hashes already, to 64-bit values: open addressing, linear
 * probing, no tombstones. For the invariants.
 */
#ifndef EK_VIRTUAL_KEYS_H
#define EK_VIRTUAL_KEYS_H

#include <stdbool.h>
#include <stdint.h>

struct key_slot {
	uint64_t key;   /* 0: free */
	uint64_t value;
};

struct keys {
	struct key_slot *slot;
	uint64_t mask;
	uint64_t n;
};

void keys_init(struct keys *k);
void keys_free(struct keys *k);
/* key: not 0. Replaces a value that is there. */
void keys_put(struct keys *k, uint64_t key, uint64_t value);
/* The value, or NULL; good until the next put or drop. */
uint64_t *keys_find(const struct keys *k, uint64_t key);
void keys_drop(struct keys *k, uint64_t key);

#endif
