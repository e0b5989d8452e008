/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers that were captured, by question: a flat table that recursor-stub/answers makes out of a
 * capture and that isn't changed any more. A question is its name (case folded), type, class and
 * whether DNSSEC is wanted (DO); each has one answer. So everybody who has the same book knows what
 * is right, whichever recursor was asked, and however often. What isn't in the book is made from
 * the question (answer.h).
 */
#ifndef EK_RECURSOR_BOOK_H
#define EK_RECURSOR_BOOK_H

#include "answer.h"

struct rec_book_entry {
	uint64_t hash;
	int64_t delay_ns;      /* from the captured query to the answer; -1: not known */
	uint32_t at;           /* in bytes: the name in lower case, then the records */
	uint16_t type, class;
	uint16_t flags;        /* the header's, as captured */
	uint16_t count[3];     /* answer, authority, additional; without OPT */
	uint16_t len;          /* of the records */
	uint16_t udp_size;     /* that OPT announced; 0: there was none */
	uint8_t name_len;
	uint8_t rcode_high;    /* OPT's part of the rcode (RFC 6891 section 6.1.3) */
	bool dnssec_ok;
};

struct rec_book {
	uint32_t entry_n;
	uint32_t mask;         /* buckets - 1; there are more of them than entries */
	uint64_t seed;         /* of hashes; changes nothing but who can slow them down */
	struct rec_book_entry *entry;
	uint32_t *bucket;      /* entry + 1; 0: none */
	uint8_t *bytes;
	int64_t delay_max_ns;  /* of all entries; 0: none is known */
};

uint64_t rec_book_hash(const struct rec_book *b, const uint8_t *name, const struct dns_question *q,
                       bool dnssec_ok);
/*
 * The captured answer to the question q of m; e: the message's EDNS. NULL: the book has none, b is
 * NULL, or EDNS is of a later version, which isn't to be answered. O(1) in the mean.
 */
const struct rec_book_entry *rec_book_find(const struct rec_book *b, const uint8_t *m,
                                           const struct dns_question *q, const struct dns_edns *e);
/*
 * As rec_answer, but what the book has is as it was captured: rcode, flags (RD and CD are the
 * query's), records in their order and compression, TTLs up to ttl_left. OPT is there if the query
 * has one, and says what the captured one said but for options. Is never longer than
 * REC_ANSWER_MAX.
 */
int rec_book_answer(const struct rec_book *b, uint8_t *out, size_t cap, const uint8_t *m,
                    size_t len, const struct dns_question *q, uint32_t ttl_left) MUST_CHECK;
/*
 * As rec_answer_match, against what the book has for its question; a captured error code is right
 * then. Flags but RD and CD count as data.
 */
enum rec_match rec_book_match(const struct rec_book *b, const uint8_t *m, size_t len);

#endif
