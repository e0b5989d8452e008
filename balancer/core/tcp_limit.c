/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many TCP connections clients have, counted over all workers without a lock: by address that
 * listens, and by client in a table of 64-bit words: 48 bits of a hash, 16 of a count. A word with
 * count 0 is free. Two workers that meet a new client in the same instant may both make it a word,
 * so a limit can be passed by as many as there are workers, never by more.
 */
#include "tcp_impl.h"

enum { PLACES = 16, COUNT_MAX = 65535 }; /* places that a client may have */

#define COUNT_BITS UINT64_C(0xffff)

/* key: a secret, the same for all workers, or clients could fill the places of others. */
static uint64_t hash_of(const struct ip *client, uint64_t key)
{
	return dns_hash(client->b, sizeof(client->b), key) & ~COUNT_BITS;
}

static _Atomic uint64_t *place(struct bal_shared *sh, uint64_t hash, unsigned i)
{
	return &sh->client[((hash >> 16) + i) % BAL_SHARED_CLIENTS];
}

/* The word of a client, or with count 0 one that it may have; NULL: all of its places are taken. */
static _Atomic uint64_t *find(struct bal_shared *sh, uint64_t hash, uint64_t *seen)
{
	_Atomic uint64_t *empty = NULL;

	for (unsigned i = 0; i < PLACES; i++) {
		_Atomic uint64_t *w = place(sh, hash, i);
		uint64_t v = atomic_load_explicit(w, memory_order_relaxed);
		if ((v & COUNT_BITS) != 0 && (v & ~COUNT_BITS) == hash) {
			*seen = v;
			return w;
		}
		if ((v & COUNT_BITS) == 0 && empty == NULL) {
			*seen = v;
			empty = w;
		}
	}
	return empty;
}

static bool take_client(struct bal_shared *sh, uint32_t max, uint64_t hash)
{
	uint64_t seen = 0;

	for (;;) {
		_Atomic uint64_t *w = find(sh, hash, &seen);
		if (w == NULL || (seen & COUNT_BITS) >= (max < COUNT_MAX ? max : COUNT_MAX))
			return false;
		if (atomic_compare_exchange_weak(w, &seen, (hash | (seen & COUNT_BITS)) + 1))
			return true;
	}
}

static void give_client(struct bal_shared *sh, uint64_t hash)
{
	uint64_t seen = 0;
	_Atomic uint64_t *w;

	do {
		w = find(sh, hash, &seen);
		MUST(w != NULL && (seen & COUNT_BITS) > 0);
	} while (!atomic_compare_exchange_weak(w, &seen, seen - 1));
}

bool btcp_limit_take(struct tcp *t, unsigned front, const struct ip *client, bool *of_client)
{
	uint32_t max = t->conf->listen != NULL ? t->conf->listen[front].max_conns : 0;
	_Atomic uint32_t *at_front = &t->shared->front[front];

	*of_client = false;
	if (atomic_fetch_add_explicit(at_front, 1, memory_order_relaxed) >= max && max > 0) {
		atomic_fetch_sub_explicit(at_front, 1, memory_order_relaxed);
		return false;
	}
	if (t->shared->client == NULL ||
	    take_client(t->shared, t->conf->tcp.per_client, hash_of(client, t->client_key)))
		return true;
	atomic_fetch_sub_explicit(at_front, 1, memory_order_relaxed);
	*of_client = true;
	return false;
}

void btcp_limit_give(struct tcp *t, unsigned front, const struct ip *client)
{
	atomic_fetch_sub_explicit(&t->shared->front[front], 1, memory_order_relaxed);
	if (t->shared->client != NULL && client != NULL)
		give_client(t->shared, hash_of(client, t->client_key));
}

bool btcp_limit_keep(struct tcp *t, unsigned front, const struct ip *client)
{
	atomic_fetch_add_explicit(&t->shared->front[front], 1, memory_order_relaxed);
	return t->shared->client == NULL ||
	       take_client(t->shared, COUNT_MAX, hash_of(client, t->client_key));
}
