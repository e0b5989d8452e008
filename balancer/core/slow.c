/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of a server that starts slowly; see slow.h. */
#include "slow.h"

#include "draw.h"

bool slow_any(const struct bal_conf *conf)
{
	for (unsigned i = 0; i < conf->server_n; i++)
		if (conf->server[i].slow_start_ns > 0)
			return true;
	return false;
}

/* Times are cut to 1/1024 s before they are multiplied, as 2^63 isn't far from a year of ns. */
uint32_t slow_part(const struct bal_shared *sh, unsigned server, int64_t now_ns)
{
	int64_t whole = atomic_load_explicit(&sh->server[server].whole_ns, memory_order_relaxed);
	int64_t takes = sh->slow_start_ns[server];

	if (now_ns >= whole || takes == 0)
		return SLOW_WHOLE;
	int64_t done = takes - (whole - now_ns);
	return done <= 0 ? 0 : (uint32_t)((done >> 10) * SLOW_WHOLE / (takes >> 10));
}

/* The finalizer of MurmurHash3, so that servers take names apart from each other and the ring. */
static uint32_t mix(uint32_t h)
{
	h = (h ^ h >> 16) * 0x85ebca6bu;
	h = (h ^ h >> 13) * 0xc2b2ae35u;
	return h ^ h >> 16;
}

bool slow_takes(uint32_t part, unsigned server, struct drbg *r, const uint32_t *hash)
{
	if (part >= SLOW_WHOLE)
		return true;
	if (hash != NULL)
		return mix(*hash ^ mix(server + 1)) >> 16 < part;
	return draw_below(r, SLOW_WHOLE) < part;
}
