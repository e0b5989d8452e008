/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the world's authoritative servers would say, made from the question alone: the same on every
 * recursor, in every engine, and known to the judge, so that a wrong or a swapped answer can be
 * proven from packets. The name and type are hashed (case folded) into data, names that don't
 * exist, names with no data and answers too big for UDP; docs/answers.md tells which names give
 * which. Health-check names of the configurations people run always resolve.
 */
#ifndef EK_RECURSOR_ANSWER_H
#define EK_RECURSOR_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/dns.h"

/*
 * Writes the whole answer to the query m[0..len) into out: its ID, RD and CD kept, QR and RA set,
 * question repeated as asked, records, an OPT record if the query had one (then BADVERS and so on
 * as RFC 6891 says). q: the query's question. ttl_left: seconds, caps each record's TTL (aged cache
 * entries); UINT32_MAX: as made. Nothing is truncated here: cap must hold the full answer
 * (REC_ANSWER_MAX always does). Returns its length or -ENOSPC.
 */
int rec_answer(uint8_t *out, size_t cap, const uint8_t *m, size_t len,
               const struct dns_question *q, uint32_t ttl_left) MUST_CHECK;

enum { REC_ANSWER_MAX = 4096 };

enum rec_match {
	REC_RIGHT = 1,    /* rcode, flags and data as rec_answer makes them, TTLs not above */
	REC_TRUNCATED,    /* TC set over UDP: nothing else is compared */
	REC_ERROR,        /* SERVFAIL, REFUSED, NOTIMP, FORMERR, BADVERS... */
	REC_WRONG_RCODE,  /* NOERROR and NXDOMAIN confused */
	REC_WRONG_DATA,   /* other records than rec_answer makes */
	REC_BROKEN,       /* not a DNS answer with one question */
};

/* Judges the answer m[0..len) against what its own question deserves. Allocates nothing. */
enum rec_match rec_answer_match(const uint8_t *m, size_t len);
/*
 * The same for a real resolver that asked a stub: records may come in any order, and names in data
 * compressed (RFC 3597, section 4); what it remembers of a name that doesn't exist it tells for all
 * types (RFC 2308, section 5), so the SOA may be that of another type; and names that resolvers
 * know by themselves (RFC 8109; RFC 6303, sections 3 and 4.3) are right with any data. A TTL may be
 * 2 s above the made one: PowerDNS counts what it learnt while a question waited from when that
 * came, by whole seconds, and waits 1.5 s for an answer.
 */
enum rec_match rec_answer_match_resolved(const uint8_t *m, size_t len);

#endif
