/* SPDX-License-Identifier: BSD-3-Clause */
/* DNS messages as a person reads them, through ldns; for evidence and logs, never on a hot path. */
#ifndef EK_HOST_DNSTEXT_H
#define EK_HOST_DNSTEXT_H

#include <stddef.h>
#include <stdint.h>

/*
 * Writes one line about the message m[0..len): rcode, question, and the records of its answer
 * section, cut off with "..." where they don't fit. A message that ldns can't read gives "not a DNS
 * message (N bytes): " and ldns's reason. Always NUL-terminated. cap >= 1.
 */
void dnstext(const uint8_t *m, size_t len, char *out, size_t cap);

#endif
