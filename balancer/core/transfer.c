/* SPDX-License-Identifier: BSD-3-Clause */
/* Follows a zone transfer by its SOA records. */
#include "transfer.h"

#include "lib/dns.h"

/* Where the name at m[at] ends; 0: damaged. */
static size_t after_name(const uint8_t *m, size_t len, size_t at)
{
	int n = at < len ? dns_name_skip(m, len, at) : -1;

	return n > 0 ? at + (size_t)n : 0;
}

/* The serial of an SOA record: after its two names. False when the record is damaged. */
static bool serial_of(uint32_t *out, const struct dns_rr *rr, const uint8_t *m, size_t len)
{
	size_t at = after_name(m, len, rr->rdata);

	if (at > 0)
		at = after_name(m, len, at);
	if (at == 0 || at + 4 > rr->end)
		return false;
	*out = dns_get32(m + at);
	return true;
}

void transfer_asked(struct transfer *t, const uint8_t *m, size_t len, size_t q_end)
{
	struct dns_rr rr;

	t->has = dns_ancount(m) == 0 && dns_nscount(m) > 0 && dns_rr(&rr, m, len, q_end) == 0 &&
	         rr.type == DNS_SOA && serial_of(&t->version, &rr, m, len);
}

/* Its first record tells that there is nothing newer. By serial number arithmetic (RFC 1982). */
static bool nothing_new(const struct transfer *t)
{
	return t->has && t->records == 1 && (int32_t)(t->serial - t->version) <= 0;
}

/* One record more; false when this is no transfer. */
static bool take(struct transfer *t, const struct dns_rr *rr, const uint8_t *m, size_t len)
{
	bool first = t->records == 0, second = t->records == 1;
	uint32_t serial = 0;

	t->records = (uint8_t)(t->records + (first || second));
	if (rr->type != DNS_SOA)
		return !first;
	if (!serial_of(&serial, rr, m, len))
		return false;
	if (first)
		t->serial = serial;
	t->incremental |= second && serial != t->serial;
	t->same = (uint8_t)(t->same + (serial == t->serial));
	return true;
}

/* Where the answer section begins; 0: the questions are damaged. */
static size_t after_questions(const uint8_t *m, size_t len)
{
	size_t at = DNS_HEADER;

	for (unsigned i = 0; i < dns_qdcount(m); i++) {
		at = after_name(m, len, at);
		if (at == 0 || at + 4 > len)
			return 0;
		at += 4;
	}
	return at;
}

bool transfer_over(struct transfer *t, const uint8_t *m, size_t len)
{
	size_t at = after_questions(m, len);
	struct dns_rr rr;

	t->strange |= at == 0;
	for (unsigned i = 0; !t->strange && i < dns_ancount(m); i++) {
		t->strange = dns_rr(&rr, m, len, at) < 0 || !take(t, &rr, m, len);
		if (t->strange)
			break;
		if (t->same == (t->incremental ? 3 : 2) || nothing_new(t))
			return true;
		at = rr.end;
	}
	return false;
}
