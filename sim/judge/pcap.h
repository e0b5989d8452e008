/* SPDX-License-Identifier: BSD-3-Clause */
/* A node's capture, from a file. */
#ifndef EK_JUDGE_PCAP_H
#define EK_JUDGE_PCAP_H

#include <stdio.h>

#include "tap.h"

/* Feeds all of a capture's records to the judge, whose 'start' event has been told. */
void judge_pcap(struct judge *j, unsigned node, FILE *take_file);

#endif
