/* SPDX-License-Identifier: BSD-3-Clause */
/* The nodes' captures, from files. */
#ifndef EK_JUDGE_PCAP_H
#define EK_JUDGE_PCAP_H

#include <stdio.h>

#include "tap.h"

/* A node's capture, to be read; or why it can't be. */
struct judge_pcap {
	FILE *file;  /* which judge_pcaps closes; NULL: there is none */
	int err;     /* then, the errno that says why */
};

/*
 * Feeds all captures' records, one capture for each node of the plan, to the judge, whose events
 * have been told: merged by time, in one pass.
 */
void judge_pcaps(struct judge *j, const struct judge_pcap *take_pcap);

#endif
