/* SPDX-License-Identifier: BSD-3-Clause */
/* What permute.c and permute_name.c have in common; permute.h is what others see. */
#ifndef EK_PCAP_PERMUTE_INNER_H
#define EK_PCAP_PERMUTE_INNER_H

#include "permute.h"

/*
 * name: in lower case, wire form up to its root label, not compressed. out: as many bytes.
 * kept[0..n) stay. About 4 microseconds a label.
 */
void permute_name_compute(const struct prf *f, const struct permute_kept *kept, unsigned n,
                          uint8_t *out, const uint8_t *name);

#endif
