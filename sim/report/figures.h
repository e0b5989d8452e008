/* SPDX-License-Identifier: BSD-3-Clause */
/* Figures about DNS traffic as documents have them. Each returns a new reference. */
#ifndef EK_REPORT_FIGURES_H
#define EK_REPORT_FIGURES_H

#include <jansson.h>
#include <stdint.h>

#include "lib/hist.h"

/* Quantiles in ns and the greatest; null: nothing was counted. */
json_t *figures_times(const struct hist *h);
/* A type by its name. */
json_t *figures_type(uint16_t type);
/* How many of each type, n[0...65535], and of each of a header's rcodes, n[0...15]: those not 0. */
json_t *figures_types(const uint64_t *n);
json_t *figures_rcodes(const uint64_t *n);

#endif
