/* SPDX-License-Identifier: BSD-3-Clause */
/* What a fault that doesn't silence its node does to queries; for downs.c. */
#ifndef EK_PLAN_IMPAIRED_H
#define EK_PLAN_IMPAIRED_H

#include "downs.h"

#define IMPAIRED_FAR (INT64_MAX / 4) /* for good */

/* What share of queries it costs. way_ns: what a query to a recursor and its answer take. */
double impaired(const struct plan *p, const struct plan_fault *f, enum downs_ask ask,
                int64_t way_ns);
/* When it is over: the same anew, or for a link, mended. */
int64_t impaired_until(const struct plan *p, unsigned fault);

#endif
