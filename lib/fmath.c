/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log by the series of atanh after taking the exponent out, exp by Taylor's after taking ln 2 out,
 * log-gamma by Stirling's series after shifting its argument past 16; see fmath.h.
 */
#include "fmath.h"

#include <stdint.h>
#include <string.h>

static const double LN2_HIGH = 0x1.62e42fefap-1;      /* 36 bits, so k * LN2_HIGH is exact */
static const double LN2_LOW = 0x1.cf79abc9e3b39p-40;  /* ln 2 - LN2_HIGH, rounded to a double */
static const double HALF_LN_2PI = 0.91893853320467274178;

static double from_bits(uint64_t bits)
{
	double x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

static uint64_t to_bits(double x)
{
	uint64_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

/* 2 atanh(s) = ln((1 + s) / (1 - s)), for |s| <= 0.1716. */
static double log_ratio(double s)
{
	double z = s * s, sum = 0;

	for (int k = 23; k >= 3; k -= 2)
		sum = (sum + 1.0 / k) * z;
	return 2 * s + 2 * s * sum;
}

double fm_log(double x)
{
	int k = 0;

	if (!(x > 0))
		return -__builtin_inf();
	if (x > 1.7976931348623157e308)
		return x;
	if (x < 0x1p-1022) {
		x *= 0x1p54;
		k = -54;
	}
	uint64_t bits = to_bits(x);
	k += (int)(bits >> 52) - 1023;
	double m = from_bits((bits & 0xfffffffffffffu) | 0x3ff0000000000000u);
	if (m > 1.41421356237309504880) {
		m *= 0.5;
		k++;
	}
	return k * LN2_HIGH + (log_ratio((m - 1) / (m + 1)) + k * LN2_LOW);
}

double fm_log1p(double x)
{
	if (x > -0.25 && x < 0.4)
		return log_ratio(x / (2 + x));
	return fm_log(1 + x);
}

double fm_exp(double x)
{
	if (x < -745.2)
		return 0;
	if (x > 709.782712893384)
		return __builtin_inf();
	int k = (int)(x * 1.44269504088896340736 + (x < 0 ? -0.5 : 0.5));
	double r = (x - k * LN2_HIGH) - k * LN2_LOW, sum = 0;
	for (int i = 14; i >= 1; i--)
		sum = (1 + sum) * r / i;
	double y = 1 + sum;
	for (; k > 1000; k -= 1000)
		y *= 0x1p1000;
	for (; k < -1000; k += 1000)
		y *= 0x1p-1000;
	return y * from_bits((uint64_t)(k + 1023) << 52);
}

double fm_sqrt(double x)
{
	return __builtin_sqrt(x);
}

double fm_lgamma(double x)
{
	double shift = 1;

	if (!(x > 0))
		return __builtin_inf();
	for (; x < 16; x += 1)
		shift *= x;
	double z = 1 / (x * x);
	double series = (1.0 / 12 - z * (1.0 / 360 - z * (1.0 / 1260 - z * (1.0 / 1680 -
	                z * (1.0 / 1188 - z * (691.0 / 360360)))))) / x;
	return (x - 0.5) * fm_log(x) - x + HALF_LN_2PI + series - fm_log(shift);
}
