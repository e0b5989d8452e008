/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When a zone transfer is over, told from its messages: with the SOA record that it began with, the
 * second time (RFC 5936 section 2.2), or the third when it is incremental (RFC 1995 section 4); or
 * with the first, when that tells a client that its version is the newest (section 2). A transfer
 * that doesn't look like one is never over here; its connection's end is its own.
 */
#ifndef EK_BAL_TRANSFER_H
#define EK_BAL_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zeros before the first message. */
struct transfer {
	uint32_t serial;    /* of the first record, an SOA */
	uint8_t records;    /* seen so far, up to 2 */
	uint8_t same;       /* SOA records with that serial, up to 3 */
	bool incremental;   /* the second record is an SOA of another serial */
	bool strange;       /* not followed any more */
	bool has;           /* the client has a version, and asks for what is newer */
	uint32_t version;   /* that version's serial */
};

/*
 * Before the first message, when the query m[0..len), whose question ends at q_end, asks for an
 * incremental transfer: which version it says that its client has.
 */
void transfer_asked(struct transfer *t, const uint8_t *m, size_t len, size_t q_end);

/*
 * Takes one more message, m[0..len), a response that may be without a question. True: it was the
 * last. Cost: its records.
 */
bool transfer_over(struct transfer *t, const uint8_t *m, size_t len);

#endif
