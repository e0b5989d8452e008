/* SPDX-License-Identifier: BSD-3-Clause */
/* The results that lazy health checks go by; see lazy.h. */
#include "lazy.h"

static unsigned places(const struct bal_server *s)
{
	return s->check.lazy.on ? s->check.lazy.samples : 0;
}

size_t lazy_arena_size(const struct bal_conf *conf)
{
	size_t size = 0;

	for (unsigned i = 0; i < conf->server_n; i++)
		size += arena_need(places(&conf->server[i]), sizeof(_Atomic uint8_t));
	return size + arena_need(conf->server_n, sizeof(struct lazy));
}

struct lazy *lazy_init(struct arena *a, const struct bal_conf *conf)
{
	struct lazy *all = arena_take(a, conf->server_n, sizeof(*all));
	bool any = false;

	for (unsigned i = 0; i < conf->server_n; i++) {
		unsigned n = places(&conf->server[i]);
		if (n == 0)
			continue;
		any = true;
		all[i].n = n;
		all[i].timeouts_only = conf->server[i].check.lazy.timeouts_only;
		all[i].result = arena_take(a, n, sizeof(*all[i].result));
	}
	return any ? all : NULL;
}

bool lazy_suspects(const struct lazy *l, const struct bal_lazy *c)
{
	uint32_t total = 0, failed = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		uint8_t r = atomic_load_explicit(&l->result[i], memory_order_relaxed);
		total += r != LAZY_NONE;
		failed += r == LAZY_FAILED;
	}
	return total > 0 && total >= c->min_samples && failed * 100 >= c->threshold * total;
}

void lazy_forget(struct lazy *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		atomic_store_explicit(&l->result[i], LAZY_NONE, memory_order_relaxed);
}

int64_t lazy_gap_ns(const struct bal_lazy *c, unsigned failed)
{
	int64_t gap_ns = c->failed_ns;

	if (!c->back_off)
		return gap_ns;
	while (failed-- > 0 && gap_ns < c->back_off_max_ns)
		gap_ns *= 2;
	return gap_ns < c->back_off_max_ns ? gap_ns : c->back_off_max_ns;
}
