/* SPDX-License-Identifier: BSD-3-Clause */
/* HyperLogLog; see hll.h. */
#include "hll.h"

#include "fmath.h"

enum { RANKS = 64 - HLL_BITS + 1 };

void hll_add(struct hll *h, uint64_t hash)
{
	uint32_t at = (uint32_t)(hash >> (64 - HLL_BITS));
	uint64_t rest = hash << HLL_BITS | UINT64_C(1) << (HLL_BITS - 1); /* never 0 */
	uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);

	if (rank > h->reg[at])
		h->reg[at] = rank;
}

/* Of x = registers that are 0, by all: what they stand for. 0 <= x < 1. */
static double sigma(double x)
{
	double y = 1, z = x, before;

	do {
		x *= x;
		before = z;
		z += x * y;
		y += y;
	} while (z > before);
	return z;
}

/* Of x = registers that aren't full, by all. */
static double tau(double x)
{
	double y = 1, z = 1 - x, before;

	if (x <= 0 || x >= 1)
		return 0;
	do {
		x = fm_sqrt(x);
		before = z;
		y *= 0.5;
		z -= (1 - x) * (1 - x) * y;
	} while (z < before);
	return z / 3;
}

uint64_t hll_count(const struct hll *h)
{
	const double m = HLL_REGISTERS;
	uint32_t count[RANKS + 1] = { 0 };

	for (unsigned i = 0; i < HLL_REGISTERS; i++)
		count[h->reg[i]]++;
	if (count[0] == HLL_REGISTERS)
		return 0;
	double z = m * tau(1 - count[RANKS] / m);
	for (unsigned k = RANKS - 1; k >= 1; k--)
		z = 0.5 * (z + count[k]);
	z += m * sigma(count[0] / m);
	return z > 0 ? (uint64_t)(m * m / (2 * fm_log(2) * z) + 0.5) : UINT64_MAX;
}
