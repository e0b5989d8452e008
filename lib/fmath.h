/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logarithm, exponential and log-gamma out of IEEE 754 basic operations alone, so that the last bit
 * is the same on every processor and with every libm (which FMA would change). Good to a few units
 * in the last place (fm_lgamma: or 5e-14, as it passes 0 at 1 and 2); for tables and statistics,
 * never per packet. Built with -ffp-contract=off.
 */
#ifndef EK_FMATH_H
#define EK_FMATH_H

/* Natural logarithm of x > 0; -HUGE for 0. Subnormals are taken as their value. */
double fm_log(double x);
/* ln(1 + x) for x > -1, exact near 0. */
double fm_log1p(double x);
/* e^x; 0 below -745, infinity above 709.78. */
double fm_exp(double x);
/* Square root, correctly rounded (an IEEE basic operation). x >= 0. */
double fm_sqrt(double x);
/* ln(Gamma(x)) for x > 0. */
double fm_lgamma(double x);

#endif
