/* SPDX-License-Identifier: BSD-3-Clause */
/* Points of servers on a ring; see hashring.h. */
#include "hashring.h"

#include "lib/must.h"
#include "lib/namehash.h"

enum { INDEX_TEXT = 12 };

uint64_t hashring_points(const struct bal_conf *conf, unsigned pool)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < conf->server_n; i++)
		if (bal_pool_has(conf, pool, i))
			n += (uint64_t)conf->server[i].weight;
	return n;
}

size_t hashring_arena_size(const struct bal_conf *conf, unsigned pool)
{
	return arena_need((size_t)hashring_points(conf, pool), sizeof(uint64_t));
}

/* Lets item i of a heap of n, greatest on top, sink to its place. */
static void sink(uint64_t *item, uint32_t i, uint32_t n)
{
	uint64_t moving = item[i];

	for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && item[child + 1] > item[child])
			child++;
		if (item[child] <= moving)
			break;
		item[i] = item[child];
	}
	item[i] = moving;
}

/* In place, without recursion or memory. */
static void sort(uint64_t *item, uint32_t n)
{
	for (uint32_t i = n / 2; i-- > 0;)
		sink(item, i, n);
	for (uint32_t last = n; last-- > 1;) {
		uint64_t greatest = item[0];
		item[0] = item[last];
		item[last] = greatest;
		sink(item, 0, last);
	}
}

/* Appends "-k" at text + len; returns the new length. */
static size_t add_index(char *text, size_t len, uint32_t k)
{
	char digit[INDEX_TEXT];
	size_t n = 0;

	do
		digit[n++] = (char)('0' + k % 10);
	while ((k /= 10) > 0);
	text[len++] = '-';
	while (n > 0)
		text[len++] = digit[--n];
	return len;
}

void hashring_init(struct hashring *r, struct arena *a, const struct bal_conf *conf, unsigned pool,
                   uint32_t perturbation)
{
	char text[BAL_SERVER_ID + INDEX_TEXT];
	uint32_t n = 0;

	MUST(hashring_points(conf, pool) <= BAL_POINTS_MAX);
	r->point_n = (uint32_t)hashring_points(conf, pool);
	r->point = arena_take(a, r->point_n, sizeof(*r->point));
	for (unsigned i = 0; i < conf->server_n; i++) {
		if (!bal_pool_has(conf, pool, i))
			continue;
		size_t len = bal_server_id(&conf->server[i], text);
		for (int32_t k = 1; k <= conf->server[i].weight; k++) {
			size_t end = add_index(text, len, (uint32_t)k);
			uint32_t at = namehash((const uint8_t *)text, end, perturbation);
			r->point[n++] = (uint64_t)at << 16 | i;
		}
	}
	sort(r->point, n);
}

uint32_t hashring_find(const struct hashring *r, uint32_t hash)
{
	uint64_t least = (uint64_t)hash << 16;
	uint32_t low = 0, high = r->point_n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (r->point[mid] < least)
			low = mid + 1;
		else
			high = mid;
	}
	return low < r->point_n ? low : 0;
}

unsigned hashring_server(const struct hashring *r, uint32_t point)
{
	return (unsigned)(r->point[point] & UINT16_MAX);
}

uint32_t hashring_next(const struct hashring *r, uint32_t point)
{
	return point + 1 < r->point_n ? point + 1 : 0;
}
