/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses to and from text, and prefix matching; see addr.h. */
#include "addr.h"

#include <errno.h>
#include <string.h>

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

struct ip ip_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	struct ip ip;

	memcpy(ip.b, mapped, sizeof(mapped));
	ip.b[12] = a;
	ip.b[13] = b;
	ip.b[14] = c;
	ip.b[15] = d;
	return ip;
}

bool ip_is4(const struct ip *ip)
{
	return memcmp(ip->b, mapped, sizeof(mapped)) == 0;
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool ep_eq(const struct ep *a, const struct ep *b)
{
	return a->port == b->port && ip_eq(&a->ip, &b->ip);
}

int ip_cmp(const struct ip *a, const struct ip *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

bool ip_is_any(const struct ip *ip)
{
	static const uint8_t zero[16];

	return memcmp(ip->b, zero, 16) == 0 ||
	       (ip_is4(ip) && memcmp(ip->b + 12, zero, 4) == 0);
}

struct ip ip_add(const struct ip *ip, uint64_t n)
{
	struct ip out = *ip;
	uint64_t carry = n;

	for (int i = 15; i >= 0 && carry != 0; i--) {
		carry += out.b[i];
		out.b[i] = (uint8_t)carry;
		carry >>= 8;
	}
	return out;
}

/* Reads a decimal number of at most max from *s, without leading zeros; -1 when there is none. */
static long read_decimal(const char **s, long max)
{
	const char *p = *s;
	long v = 0;

	if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9'))
		return -1;
	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (*p - '0');
		if (v > max)
			return -1;
	}
	*s = p;
	return v;
}

static int read_v4(const char **s, uint8_t out[4])
{
	for (int i = 0; i < 4; i++) {
		if (i > 0 && *(*s)++ != '.')
			return -EINVAL;
		long v = read_decimal(s, 255);
		if (v < 0)
			return -EINVAL;
		out[i] = (uint8_t)v;
	}
	return 0;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One group of 1...4 hex digits; -EINVAL when there is none or a fifth follows. */
static int read_group(const char **s, uint8_t out[2])
{
	unsigned v = 0;
	int digits = 0;

	for (; hex_value(**s) >= 0; (*s)++, digits++)
		v = v << 4 | (unsigned)hex_value(**s);
	if (digits < 1 || digits > 4)
		return -EINVAL;
	out[0] = (uint8_t)(v >> 8);
	out[1] = (uint8_t)v;
	return 0;
}

/* True when what follows up to the next colon or end is a dotted quad. */
static bool quad_ahead(const char *s)
{
	while (*s >= '0' && *s <= '9')
		s++;
	return *s == '.';
}

/* Moves the bytes after the gap to the end of the address. */
static int close_gap(uint8_t b[16], int gap, int n)
{
	if (gap < 0)
		return n == 16 ? 0 : -EINVAL;
#ifndef EK_PLANT
	if (n >= 16)
		return -EINVAL;
#endif
	memmove(b + 16 - (n - gap), b + gap, (size_t)(n - gap));
	memset(b + gap, 0, (size_t)(16 - n));
	return 0;
}

static int read_v6(const char *s, uint8_t b[16])
{
	int n = 0, gap = -1;

	if (*s == ':' && *++s != ':')
		return -EINVAL;
	while (*s != '\0') {
		if (*s == ':') {
			if (gap >= 0)
				return -EINVAL;
			gap = n;
			if (*++s == '\0')
				break;
		}
		if (n <= 12 && quad_ahead(s)) {
			if (read_v4(&s, b + n) < 0 || *s != '\0')
				return -EINVAL;
			n += 4;
			break;
		}
		if (n > 14 || read_group(&s, b + n) < 0)
			return -EINVAL;
		n += 2;
		if (*s == ':' && *++s == '\0')
			return -EINVAL;
		else if (*s != '\0' && s[-1] != ':')
			return -EINVAL;
	}
	return close_gap(b, gap, n);
}

int ip_parse(struct ip *ip, const char *text)
{
	struct ip out = ip_v4(0, 0, 0, 0);
	const char *s = text;

	if (read_v4(&s, out.b + 12) == 0 && *s == '\0') {
		*ip = out;
		return 0;
	}
	memset(&out, 0, sizeof(out));
	if (strlen(text) >= IP_TEXT || read_v6(text, out.b) < 0)
		return -EINVAL;
	*ip = out;
	return 0;
}

/* Copies text[0..n) into out as a string; -EINVAL when it is longer than an address can be. */
static int cut(char out[IP_TEXT], const char *text, size_t n)
{
	if (n >= IP_TEXT)
		return -EINVAL;
	memcpy(out, text, n);
	out[n] = '\0';
	return 0;
}

static int read_port(const char *s, uint16_t *port)
{
	long v = read_decimal(&s, 65535);

	if (v < 1 || *s != '\0')
		return -ERANGE;
	*port = (uint16_t)v;
	return 0;
}

int ep_parse(struct ep *ep, const char *text, uint16_t port_default)
{
	struct ep out = { .port = port_default };
	const char *colon = strchr(text, ':');
	const char *port = NULL;
	char addr[IP_TEXT];
	size_t n = strlen(text);

	if (text[0] == '[') {
		const char *end = strchr(text, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return -EINVAL;
		port = end[1] == ':' ? end + 2 : NULL;
		n = (size_t)(end - ++text);
	} else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
		port = colon + 1;
		n = (size_t)(colon - text);
	}
	if (cut(addr, text, n) < 0 || ip_parse(&out.ip, addr) < 0)
		return -EINVAL;
	if (port != NULL && read_port(port, &out.port) < 0)
		return -ERANGE;
	*ep = out;
	return 0;
}

static void clear_tail(struct prefix *p)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = p->bits > i * 8 ? p->bits - i * 8 : 0;
		if (keep < 8)
			p->ip.b[i] &= (uint8_t)(0xff00u >> keep);
	}
}

int prefix_parse(struct prefix *p, const char *text)
{
	const char *slash = strchr(text, '/');
	size_t n = slash != NULL ? (size_t)(slash - text) : strlen(text);
	struct prefix out = { .bits = 128 };
	char addr[IP_TEXT];

	if (cut(addr, text, n) < 0 || ip_parse(&out.ip, addr) < 0)
		return -EINVAL;
	if (slash != NULL) {
		bool v4 = ip_is4(&out.ip) && strchr(addr, ':') == NULL;
		const char *s = slash + 1;
		long bits = read_decimal(&s, v4 ? 32 : 128);
		if (bits < 0 || *s != '\0')
			return -ERANGE;
		out.bits = (uint8_t)(bits + (v4 ? 96 : 0));
	}
	clear_tail(&out);
	*p = out;
	return 0;
}

static char *put_decimal(char *to, unsigned v)
{
	char digits[10];
	int n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	while (n > 0)
		*to++ = digits[--n];
	return to;
}

static char *put_group(char *to, const uint8_t b[2])
{
	static const char hex[] = "0123456789abcdef";
	unsigned v = (unsigned)b[0] << 8 | b[1];
	int shift = v > 0xfff ? 12 : v > 0xff ? 8 : v > 0xf ? 4 : 0;

	for (; shift >= 0; shift -= 4)
		*to++ = hex[v >> shift & 15];
	return to;
}

/* The longest run of two or more zero groups (RFC 5952 section 4.2); *len 0 when none. */
static int longest_gap(const uint8_t b[16], int *len)
{
	int best = -1;

	*len = 0;
	for (int i = 0; i < 8; i++) {
		int n = 0;
		while (i + n < 8 && b[2 * (i + n)] == 0 && b[2 * (i + n) + 1] == 0)
			n++;
		if (n > 1 && n > *len) {
			best = i;
			*len = n;
		}
		i += n;
	}
	return best;
}

static char *put_v6(char *to, const uint8_t b[16])
{
	int gap_len, gap = longest_gap(b, &gap_len);

	for (int i = 0; i < 8; i++) {
		if (i == gap) {
			*to++ = ':';
			i += gap_len - 1;
			if (i == 7)
				*to++ = ':';
			continue;
		}
		if (i > 0)
			*to++ = ':';
		to = put_group(to, b + 2 * i);
	}
	return to;
}

size_t ip_format(const struct ip *ip, char out[IP_TEXT])
{
	char *to = out;

	if (ip_is4(ip)) {
		for (int i = 12; i < 16; i++) {
			to = put_decimal(to, ip->b[i]);
			*to++ = '.';
		}
		to--;
	} else {
		to = put_v6(to, ip->b);
	}
	*to = '\0';
	return (size_t)(to - out);
}

size_t ep_format(const struct ep *ep, char out[EP_TEXT])
{
	bool v4 = ip_is4(&ep->ip);
	char *to = out;

	if (!v4)
		*to++ = '[';
	to += ip_format(&ep->ip, to);
	if (!v4)
		*to++ = ']';
	*to++ = ':';
	to = put_decimal(to, ep->port);
	*to = '\0';
	return (size_t)(to - out);
}

size_t prefix_format(const struct prefix *p, char out[PREFIX_TEXT])
{
	bool v4 = ip_is4(&p->ip) && p->bits >= 96;
	char *to = out + ip_format(&p->ip, out);

	*to++ = '/';
	to = put_decimal(to, v4 ? p->bits - 96u : p->bits);
	*to = '\0';
	return (size_t)(to - out);
}

bool prefix_has(const struct prefix *p, const struct ip *ip)
{
	unsigned bytes = p->bits / 8, rest = p->bits % 8;

	if (p->bits < 96 && ip_is4(ip))
		return false;
	if (memcmp(p->ip.b, ip->b, bytes) != 0)
		return false;
	return rest == 0 || ((p->ip.b[bytes] ^ ip->b[bytes]) & (0xff00u >> rest) & 0xff) == 0;
}

bool prefix_any(const struct prefix *p, size_t n, const struct ip *ip)
{
	for (size_t i = 0; i < n; i++)
		if (prefix_has(p + i, ip))
			return true;
	return false;
}
