/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A DNS message without what identifies somebody: names permuted wherever they are, addresses in
 * records and in client subnets too, everything else that a record says replaced by bytes of the
 * same length, unless it is of a kind that says nothing about anybody (message_form.def). Lengths,
 * offsets and compression stay, so what is read out of it has the shape of the original.
 */
#ifndef EK_PCAP_MESSAGE_H
#define EK_PCAP_MESSAGE_H

#include <stdbool.h>

#include "permute.h"

/*
 * m[0..len): 0...65535 bytes; out: as many, elsewhere. True when all of it could be read; bytes
 * behind the last record are replaced. Otherwise out has the header, the questions and the records
 * that could be read whole, and zeros from there on.
 */
bool message_anonymize(struct permute *p, uint8_t *out, const uint8_t *m, size_t len);

#endif
