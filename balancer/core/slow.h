/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slow start: a server that has come back is a candidate for a part of the queries only, which
 * grows from none to all over its time, on a straight line. Which queries: under whashed and
 * chashed those of a part of the names, and a name that has moved stays; else chance decides. So
 * under each policy it gets that part of what it would get, and what it doesn't get goes where it
 * would go if the server were down. Where none but such servers would be left all are candidates:
 * sparing one is no reason to leave a query alone. For policy.c.
 */
#ifndef EK_BALANCER_SLOW_H
#define EK_BALANCER_SLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/drbg.h"
#include "shared.h"

enum { SLOW_WHOLE = 65536 };

/* Whether any server starts slowly. */
bool slow_any(const struct bal_conf *conf);
/* How much of its queries the server gets at now_ns, of SLOW_WHOLE. */
uint32_t slow_part(const struct bal_shared *sh, unsigned server, int64_t now_ns);
/*
 * Whether the query at hand is one of part. hash: of its name, NULL: chance decides, by one draw
 * from r.
 */
bool slow_takes(uint32_t part, unsigned server, struct drbg *r, const uint32_t *hash);

#endif
