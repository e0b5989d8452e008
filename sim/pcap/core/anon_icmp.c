/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP (RFC 792, RFC 4443): of errors the packet that they quote, its headers done and of a DNS
 * message as much as reads; of echoes the head. Everything else is dropped: redirects, neighbours
 * and routers say addresses.
 */
#include <string.h>

#include "anon_inner.h"
#include "message.h"
#include "scrub.h"

enum { PROTO_TCP = 6, PROTO_UDP = 17, TCP_SUM = 16, UDP_SUM = 6 };

/* Whether m[0..n) has a header with one question, as messages have, and its name. */
static bool has_question(const uint8_t *m, size_t n)
{
	return n > DNS_HEADER && dns_qdcount(m) == 1 && dns_name_skip(m, n, DNS_HEADER) > 0;
}

/* A UDP packet that is quoted, q[0..len) of it there. */
static void quoted_udp(struct anon *a, uint8_t *q, size_t len)
{
	size_t said = dns_get16(q + 4);
	size_t n = said < len ? said : len;
	bool dns = a->port[dns_get16(q)] || a->port[dns_get16(q + 2)];

	dns_put16(q + UDP_SUM, 0);
	n = n > UDP_HEADER ? n - UDP_HEADER : 0;
	memcpy(a->message, q + UDP_HEADER, n);
	memset(q + UDP_HEADER, 0, len - UDP_HEADER);
	if (dns && has_question(a->message, n))
		(void)message_anonymize(a->permute, q + UDP_HEADER, a->message, n);
}

/* What a quoted packet carries: the transport's header stays. */
static void quoted_body(struct anon *a, uint8_t *q, size_t len, uint8_t proto)
{
	if (proto == PROTO_UDP && len >= UDP_HEADER) {
		quoted_udp(a, q, len);
		return;
	}
	size_t stays = proto == PROTO_TCP ? len < TCP_HEADER ? len : TCP_HEADER : 0;
	memset(q + stays, 0, len - stays);
	if (stays >= TCP_SUM + 2)
		dns_put16(q + TCP_SUM, 0);
}

static void quoted(struct anon *a, uint8_t *q, size_t len)
{
	bool v4 = len > 0 && q[0] >> 4 == 4;
	size_t header = scrub_quoted_ip(a->permute, q, len);

	if (header == 0) {
		memset(q, 0, len);
		return;
	}
	bool piece = v4 && (dns_get16(q + 6) & 0x1fff) != 0;
	quoted_body(a, q + header, len - header, piece ? 0 : v4 ? q[9] : q[6]);
}

/*
 * Of the four bytes behind an error's checksum the MTU (RFC 1191, RFC 4443) and the pointer to
 * what is wrong stay. A length (RFC 4884) goes, as what it leads to does.
 */
static void scrub_error(uint8_t *p, bool v6)
{
	uint8_t type = p[0], code = p[1];

	if (v6 ? type == 1 || type == 3 : type == 11)
		memset(p + 4, 0, 4);
	else if (!v6 && type == 12)
		memset(p + 5, 0, 3);
	else if (!v6)
		memset(p + 4, 0, code == 4 ? 2 : 4);
}

enum anon_count anon_icmp(struct anon *a, struct held *e)
{
	uint8_t *p = anon_body(a, e), type = p[0];
	size_t n = e->ip.len - ICMP_HEADER;
	bool v6 = e->ip.v6;
	bool echo = v6 ? type == 128 || type == 129 : type == 8 || type == 0;
	bool error = v6 ? type >= 1 && type <= 4 : type == 3 || type == 11 || type == 12;

	if (!echo && !error)
		return ANON_OTHER;
	if (echo) {
		memset(p + ICMP_HEADER, 0, n);
	} else {
		scrub_error(p, v6);
		quoted(a, p + ICMP_HEADER, n);
	}
	return ANON_ICMP;
}
