/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking into messages for rules; see look.h. */
#include "look.h"

enum { SECTIONS = 4 };

/* Where the records begin. An answer may be without the question. */
static size_t records_at(const struct rule_look *l)
{
	if (dns_qdcount(l->m) == 0)
		return DNS_HEADER;
	return (size_t)DNS_HEADER + l->name_len + 4;
}

struct dns_edns look_edns(const struct rule_look *l)
{
	struct dns_edns e = { 0 };
	size_t at = records_at(l);

	if (at > l->len || dns_edns(&e, l->m, l->len, at) < 0)
		return (struct dns_edns){ 0 };
	return e;
}

bool look_has_option(const struct rule_look *l, uint16_t code)
{
	struct dns_edns e = look_edns(l);
	size_t at = e.at + 11u; /* root, type, class, TTL, length */

	for (; e.present && at + 4 <= e.end; at += 4u + dns_get16(l->m + at + 2))
		if (dns_get16(l->m + at) == code)
			return true;
	return false;
}

unsigned look_rcode(const struct rule_look *l)
{
	struct dns_edns e = look_edns(l);
	unsigned high = e.present ? l->m[e.at + 5] : 0;

	return high << 4 | (dns_flags(l->m) & DNS_RCODE);
}

unsigned look_count(const struct rule_look *l, unsigned section)
{
	return section < SECTIONS ? dns_get16(l->m + 4 + 2 * (size_t)section) : 0;
}

/* Walks over n records at *at, and counts those of the type. False: one can't be read. */
static bool walk(const struct rule_look *l, size_t *at, unsigned n, uint16_t type, unsigned *count)
{
	struct dns_rr rr;

	*count = 0;
	for (unsigned i = 0; i < n; i++) {
		if (*at > l->len || dns_rr(&rr, l->m, l->len, *at) < 0)
			return false;
		*count += rr.type == type;
		*at = rr.end;
	}
	return true;
}

unsigned look_type_count(const struct rule_look *l, unsigned section, uint16_t type)
{
	size_t at = records_at(l);
	unsigned count = 0;

	if (section == 0)
		return dns_qdcount(l->m) > 0 && l->type == type;
	for (unsigned s = 1; s <= section && s < SECTIONS; s++)
		if (!walk(l, &at, look_count(l, s), type, &count))
			return s == section ? count : 0;
	return count;
}

bool look_has_tail(const struct rule_look *l)
{
	size_t at = records_at(l);
	unsigned count;

	for (unsigned s = 1; s < SECTIONS; s++)
		if (!walk(l, &at, look_count(l, s), 0, &count))
			return false;
	return at < l->len;
}

unsigned look_labels(const struct rule_look *l)
{
	unsigned n = 0;

	for (size_t at = 0; at + 1 < l->name_len; at += 1u + l->name[at])
		n++;
	return n;
}
