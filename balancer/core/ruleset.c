/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking into the sets of compiled rules; see ruleset.h. */
#include "ruleset.h"

#include <string.h>

#include "lib/dns.h"
#include "lib/must.h"

/* ---- names ---- */

enum { LABELS = 128 };

/* From the root up, so that the hashes of all names above are on the way: FNV-1a. */
static const uint64_t hash_start = UINT64_C(0xcbf29ce484222325);

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static uint64_t hash_label(uint64_t h, const uint8_t *label)
{
	for (unsigned i = 0; i <= label[0]; i++)
		h = (h ^ lower(label[i])) * UINT64_C(0x100000001b3);
	return h;
}

/* Offsets of the labels, without the root's. */
static unsigned labels_of(const uint8_t *name, size_t len, uint8_t at[LABELS])
{
	unsigned n = 0;

	for (size_t i = 0; i + 1 < len && n < LABELS; i += 1u + name[i])
		at[n++] = (uint8_t)i;
	return n;
}

uint64_t bal_nameset_hash(const uint8_t *name, size_t len)
{
	uint8_t at[LABELS];
	uint64_t h = hash_start;

	for (unsigned i = labels_of(name, len, at); i-- > 0;)
		h = hash_label(h, name + at[i]);
	return h ^ h >> 32;
}

static bool find(const struct bal_nameset *s, uint64_t hash, const uint8_t *name, size_t len)
{
	for (uint32_t i = (uint32_t)hash & s->mask; s->slot[i] != 0; i = (i + 1) & s->mask) {
		const uint8_t *has = s->bytes + s->slot[i] - 1;
		if (dns_name_eq(has + 1, has[0], name, len))
			return true;
	}
	return false;
}

bool bal_nameset_has(const struct bal_nameset *s, const uint8_t *name, size_t len)
{
	uint8_t at[LABELS];
	uint64_t h = hash_start;
	unsigned n = labels_of(name, len, at);

	if (s->root && (s->suffixes || n == 0))
		return true;
	for (unsigned i = n; i-- > 0;) {
		h = hash_label(h, name + at[i]);
		if ((s->suffixes || i == 0) && find(s, h ^ h >> 32, name + at[i], len - at[i]))
			return true;
	}
	return false;
}

/* ---- networks ---- */

struct ip bal_net_of(const struct ip *ip, unsigned bits)
{
	struct ip to = { { 0 } };

	memcpy(to.b, ip->b, bits / 8);
	if (bits % 8 != 0)
		to.b[bits / 8] = (uint8_t)(ip->b[bits / 8] & 0xff00u >> bits % 8);
	return to;
}

static const struct bal_net *find_net(const struct bal_netset *s, const struct bal_netrun *r,
                                      const struct ip *ip)
{
	uint32_t low = r->first, high = r->first + r->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int cmp = ip_cmp(&s->net[mid].ip, ip);
		if (cmp == 0)
			return &s->net[mid];
		if (cmp < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

bool bal_netset_has(const struct bal_netset *s, const struct ip *ip)
{
	bool four = ip_is4(ip);

	for (unsigned i = 0; i < s->run_n; i++) {
		const struct bal_netrun *r = &s->run[i];
		struct ip net = bal_net_of(ip, r->bits);
		if (four && r->bits < 96)
			return false; /* that and what follows is of IPv6 alone */
		const struct bal_net *found = find_net(s, r, &net);
		if (found != NULL)
			return found->in;
	}
	return false;
}

/* ---- regular expressions ---- */

bool bal_regex_has(const struct bal_regex *x, const uint8_t *name, size_t len)
{
	char text[DNS_NAME_TEXT];
	size_t n = dns_name_format(name, len, text) - 1; /* without the dot; "" for the root */
	uint32_t state = 0;

	for (size_t i = 0; i < n; i++) {
		if ((x->final[state] & BAL_REGEX_NOW) != 0)
			return true;
		state = x->next[state * x->class_n + x->class[(uint8_t)text[i]]];
	}
	return x->final[state] != 0;
}
