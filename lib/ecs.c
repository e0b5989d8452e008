/* SPDX-License-Identifier: BSD-3-Clause */
/* Client subnets into queries and out of answers; see ecs.h. */
#include "ecs.h"

#include <string.h>

#include "dns.h"

enum { PADDING = 12, OPT_HEAD = 11, OPTION_HEAD = 4, V4_AT = 12 };

struct ip ecs_subnet(const struct ip *ip, unsigned bits)
{
	struct ip out = *ip;

	bits += ip_is4(ip) ? 8 * V4_AT : 0;
	for (unsigned i = 0; i < sizeof(out.b); i++) {
		unsigned keep = bits > 8 * i ? bits - 8 * i : 0;
		if (keep < 8)
			out.b[i] &= (uint8_t)(0xff00u >> keep);
	}
	return out;
}

/* The option for a subnet; its length. */
static size_t make_option(uint8_t out[ECS_OPTION_MAX], const struct ip *client, unsigned bits)
{
	struct ip net = ecs_subnet(client, bits);
	size_t n = (bits + 7) / 8;

	dns_put16(out, ECS_OPTION);
	dns_put16(out + 2, (uint16_t)(4 + n));
	dns_put16(out + 4, ip_is4(client) ? 1 : 2);
	out[6] = (uint8_t)bits;
	out[7] = 0;
	memcpy(out + 8, net.b + (ip_is4(client) ? V4_AT : 0), n);
	return 8 + n;
}

/*
 * Where the option stands in the OPT record's data, *at, and its bytes, *n; at 0: it isn't there.
 * False: the options can't be read.
 */
static bool find_option(const uint8_t *m, const struct dns_edns *e, size_t *at, size_t *n)
{
	size_t i = (size_t)e->at + OPT_HEAD;

	*at = *n = 0;
	while (i + OPTION_HEAD <= e->end) {
		size_t size = OPTION_HEAD + (size_t)dns_get16(m + i + 2);
		if (i + size > e->end)
			return false;
		if (dns_get16(m + i) == ECS_OPTION && *at == 0) {
			*at = i;
			*n = size;
		}
		i += size;
	}
	return i == e->end;
}

/* The OPT record, which ends the message, has grown or shrunk: its length is told anew. */
static void set_end(uint8_t *m, uint16_t *len, const struct dns_edns *e, size_t end)
{
	dns_put16(m + e->at + OPT_HEAD - 2, (uint16_t)(end - e->at - OPT_HEAD));
	*len = (uint16_t)end;
}

static void cut_option(uint8_t *m, uint16_t *len, const struct dns_edns *e, size_t at, size_t n)
{
	memmove(m + at, m + at + n, *len - at - n);
	set_end(m, len, e, *len - n);
}

static enum ecs_change add_to_opt(uint8_t *m, uint16_t *len, size_t cap, const struct dns_edns *e,
                                  const uint8_t *option, size_t n, bool replace)
{
	size_t at, old_n;

	if (!find_option(m, e, &at, &old_n))
		return ECS_NOTHING;
	size_t end = *len + n - old_n;
	if (e->end != *len || (at > 0 && !replace) || end > cap)
		return ECS_NOTHING;
	if (at > 0)
		cut_option(m, len, e, at, old_n);
	memcpy(m + *len, option, n);
	set_end(m, len, e, *len + n);
	return at > 0 ? ECS_REPLACED : ECS_OPTION_ADDED;
}

static enum ecs_change add_opt(uint8_t *m, uint16_t *len, size_t cap, size_t q_end,
                               const uint8_t *option, size_t n)
{
	struct dns_writer w = { .m = m, .len = q_end, .cap = cap };

	if (dns_ancount(m) + dns_nscount(m) + dns_arcount(m) > 0)
		return ECS_NOTHING;
	if (cap < q_end + OPT_HEAD + n)
		return ECS_NOTHING;
	dns_w_opt(&w, ECS_UDP_SIZE, false);
	dns_put16(m + w.len - 2, (uint16_t)n);
	dns_w_bytes(&w, option, n);
	dns_put16(m + 10, 1);
	*len = (uint16_t)w.len;
	return ECS_OPT_ADDED;
}

enum ecs_change ecs_add(uint8_t *m, uint16_t *len, size_t cap, size_t q_end,
                        const struct ip *client, unsigned bits, bool replace)
{
	uint8_t option[ECS_OPTION_MAX];
	struct dns_edns e;

	cap = cap < UINT16_MAX ? cap : UINT16_MAX;
	if (dns_edns(&e, m, *len, q_end) < 0)
		return ECS_NOTHING;
	size_t n = make_option(option, client, bits);
	return e.present ? add_to_opt(m, len, cap, &e, option, n, replace)
	                 : add_opt(m, len, cap, q_end, option, n);
}

void ecs_remove(uint8_t *m, uint16_t *len, size_t q_end, enum ecs_change added)
{
	struct dns_edns e;
	size_t at, n;

	if (added < ECS_OPTION_ADDED || dns_edns(&e, m, *len, q_end) < 0 || !e.present)
		return;
	if (added == ECS_OPT_ADDED && e.end == *len) {
		*len = e.at;
		dns_put16(m + 10, (uint16_t)(dns_arcount(m) - 1));
		return;
	}
	if (!find_option(m, &e, &at, &n) || at == 0)
		return;
	if (e.end == *len) {
		cut_option(m, len, &e, at, n);
		return;
	}
	dns_put16(m + at, PADDING);
	memset(m + at + OPTION_HEAD, 0, n - OPTION_HEAD);
}
