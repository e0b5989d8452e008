/* SPDX-License-Identifier: BSD-3-Clause */
/* What of the packet cache knows DNS: keys made from queries, and the age of TTLs; see pcache.h. */
#include <string.h>

#include "pcache.h"

enum { OPTION_ECS = 8, OPTION_COOKIE = 10 };

static bool add(struct pcache_key *k, const uint8_t *p, size_t n)
{
	if (n > (size_t)(PCACHE_KEY_MAX - k->len))
		return false;
	memcpy(k->b + k->len, p, n);
	k->len = (uint16_t)(k->len + n);
	return true;
}

static bool skipped(uint16_t code, unsigned skip)
{
	return (code == OPTION_COOKIE && (skip & PCACHE_SKIP_COOKIE) != 0) ||
	       (code == OPTION_ECS && (skip & PCACHE_SKIP_ECS) != 0);
}

/* Adds the EDNS options in p[0..n) but those that skip names. */
static bool add_options(struct pcache_key *k, const uint8_t *p, size_t n, unsigned skip)
{
	while (n >= 4) {
		uint16_t code = dns_get16(p);
		size_t size = 4u + dns_get16(p + 2);
#ifndef EK_PLANT
		if (size > n)
			break;
#endif
		if (!skipped(code, skip) && !add(k, p, size))
			return false;
		p += size;
		n -= size;
	}
	return add(k, p, n);
}

static bool add_opt(struct pcache_key *k, const uint8_t *m, const struct dns_edns *e, unsigned skip)
{
	size_t head = k->len;

	if (!add(k, m + e->at, 11) ||
	    !add_options(k, m + e->at + 11, (size_t)(e->end - e->at - 11), skip))
		return false;
	dns_put16(k->b + head + 9, (uint16_t)(k->len - head - 11));
	return true;
}

bool pcache_key_packet(struct pcache_key *k, const struct pcache *c, const uint8_t *m, size_t len,
                       const struct dns_question *q, const struct dns_edns *e, bool tcp,
                       unsigned skip)
{
	uint8_t proto = tcp;
	size_t head = e->present ? e->at : len;

	k->len = 0;
	if (!add(k, &proto, 1) || !add(k, m + 2, head - 2))
		return false;
	dns_name_lower(k->b + 1 + DNS_HEADER - 2, m + DNS_HEADER, q->name_len);
	if (e->present && (!add_opt(k, m, e, skip) || !add(k, m + e->end, len - e->end)))
		return false;
	k->hash = pcache_hash(c, k->b, k->len);
	return true;
}

bool pcache_key_query(struct pcache_key *k, const struct pcache *c, const uint8_t *m, size_t len,
                      const struct dns_question *q, const struct dns_edns *e, bool tcp)
{
	return pcache_key_packet(k, c, m, len, q, e, tcp, PCACHE_SKIP_ECS | PCACHE_SKIP_COOKIE);
}

void pcache_key_name(struct pcache_key *k, const struct pcache *c, const uint8_t *name,
                     const struct dns_question *q)
{
	STATIC_MUST(PCACHE_KEY_MAX >= DNS_NAME_MAX + 2);
	dns_name_lower(k->b, name, q->name_len);
	dns_put16(k->b + q->name_len, q->type);
	k->len = (uint16_t)(q->name_len + 2);
	k->hash = pcache_hash(c, k->b, k->len);
}

uint32_t pcache_min_ttl(const uint8_t *m, size_t len, size_t q_end)
{
	unsigned n = (unsigned)dns_ancount(m) + dns_nscount(m) + dns_arcount(m);
	uint32_t least = UINT32_MAX;
	struct dns_rr rr;

	for (size_t at = q_end; n > 0 && dns_rr(&rr, m, len, at) == 0; at = rr.end, n--)
		if (rr.type != DNS_OPT && rr.ttl < least)
			least = rr.ttl;
	return least;
}

/* Takes age_s seconds off each record's TTL; with set it becomes that instead. */
static void change_ttls(uint8_t *m, size_t len, size_t q_end, uint32_t age_s, const uint32_t *set)
{
	unsigned n = (unsigned)dns_ancount(m) + dns_nscount(m) + dns_arcount(m);
	struct dns_rr rr;

	for (size_t at = q_end; n > 0 && dns_rr(&rr, m, len, at) == 0; at = rr.end, n--)
		if (rr.type != DNS_OPT)
			dns_put32(m + rr.rdata - 6, set != NULL ? *set :
			          rr.ttl > age_s ? rr.ttl - age_s : 0);
}

void pcache_age(uint8_t *m, size_t len, size_t q_end, uint32_t age_s)
{
	change_ttls(m, len, q_end, age_s, NULL);
}

void pcache_set_ttl(uint8_t *m, size_t len, size_t q_end, uint32_t ttl)
{
	change_ttls(m, len, q_end, 0, &ttl);
}
