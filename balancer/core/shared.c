/* SPDX-License-Identifier: BSD-3-Clause */
/* The atomics that workers and the health core share; see shared.h. */
#include "shared.h"

size_t bal_shared_arena_size(const struct bal_conf *conf)
{
	size_t clients = conf->tcp.per_client > 0 ? BAL_SHARED_CLIENTS : 0;

	return arena_need(1, sizeof(struct bal_shared)) +
	       arena_need(conf->front_n, sizeof(_Atomic uint32_t)) +
	       arena_need(clients, sizeof(_Atomic uint64_t)) +
	       arena_need(conf->server_n, sizeof(struct bal_shared_server));
}

struct bal_shared *bal_shared_init(struct arena *a, const struct bal_conf *conf)
{
	struct bal_shared *sh = arena_take(a, 1, sizeof(*sh));

	sh->server_n = conf->server_n;
	sh->server = arena_take(a, conf->server_n, sizeof(*sh->server));
	sh->front = arena_take(a, conf->front_n, sizeof(*sh->front));
	if (conf->tcp.per_client > 0)
		sh->client = arena_take(a, BAL_SHARED_CLIENTS, sizeof(*sh->client));
	for (unsigned i = 0; i < conf->server_n; i++)
		bal_shared_set_up(sh, i, conf->server[i].check.mode == BAL_CHECK_UP);
	return sh;
}

bool bal_shared_up(const struct bal_shared *sh, unsigned server)
{
	return atomic_load_explicit(&sh->server[server].up, memory_order_relaxed) != 0;
}

void bal_shared_set_up(struct bal_shared *sh, unsigned server, bool up)
{
	atomic_store_explicit(&sh->server[server].up, up, memory_order_relaxed);
}
