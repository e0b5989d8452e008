/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hash by which dnsdist maps names to servers: Bob Jenkins' hash of 1996 ("lookup2", Dr. Dobb's
 * Journal, September 1997) over bytes of which ASCII letters count as lower case. So whoever knows
 * a balancer's perturbation can work out where a name goes. Not for tables that strangers fill: it
 * has no key worth the name.
 */
#ifndef EK_NAMEHASH_H
#define EK_NAMEHASH_H

#include <stddef.h>
#include <stdint.h>

/* Of len bytes; initial is the hash before, or a perturbation. O(len). */
uint32_t namehash(const uint8_t *bytes, size_t len, uint32_t initial);

#endif
