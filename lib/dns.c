/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions, names and records in wire form; see dns.h. */
#include "dns.h"

#include <errno.h>
#include <string.h>

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

int dns_question(struct dns_question *q, const uint8_t *m, size_t len)
{
	size_t at = DNS_HEADER;

	if (len < DNS_HEADER || len > UINT16_MAX || dns_qdcount(m) != 1)
		return -EBADMSG;
	while (at < len && m[at] != 0) {
		if (m[at] > DNS_LABEL_MAX)
			return -EBADMSG;
		at += 1u + m[at];
	}
	at++; /* the root label */
	if (at - DNS_HEADER > DNS_NAME_MAX || at + 4 > len)
		return -EBADMSG;
	q->name_len = (uint16_t)(at - DNS_HEADER);
	q->type = dns_get16(m + at);
	q->class = dns_get16(m + at + 2);
	q->end = (uint16_t)(at + 4);
	return 0;
}

bool dns_name_eq(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	if (a_len != b_len)
		return false;
	if (memcmp(a, b, a_len) == 0)
		return true;
	for (size_t i = 0; i < a_len; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

bool dns_question_eq(const uint8_t *a, const struct dns_question *qa, const uint8_t *b,
                     const struct dns_question *qb)
{
	return qa->type == qb->type && qa->class == qb->class &&
	       dns_name_eq(a + DNS_HEADER, qa->name_len, b + DNS_HEADER, qb->name_len);
}

int dns_name_skip(const uint8_t *m, size_t len, size_t at)
{
	size_t start = at;

	while (at < len) {
		uint8_t c = m[at];
		if (c >= 0xc0)
			return at + 2 <= len ? (int)(at + 2 - start) : -EBADMSG;
		if (c > DNS_LABEL_MAX)
			return -EBADMSG;
		at += 1u + c;
		if (at - start > DNS_NAME_MAX - (c != 0)) /* a root label is to come */
			return -EBADMSG;
		if (c == 0)
			return (int)(at - start);
	}
	return -EBADMSG;
}

int dns_name_expand(uint8_t out[DNS_NAME_MAX], const uint8_t *m, size_t len, size_t at)
{
	size_t n = 0, limit = at;

	while (at < len) {
		uint8_t c = m[at];
		if (c >= 0xc0) {
			if (at + 2 > len)
				return -EBADMSG;
			at = (size_t)(c & 0x3f) << 8 | m[at + 1];
			if (at >= limit)
				return -EBADMSG;
			limit = at;
			continue;
		}
#ifdef EK_PLANT
		if (c > DNS_LABEL_MAX || n + c > DNS_NAME_MAX || at + 1 + c > len)
#else
		if (c > DNS_LABEL_MAX || n + 1 + c > DNS_NAME_MAX || at + 1 + c > len)
#endif
			return -EBADMSG;
		memcpy(out + n, m + at, 1u + c);
		n += 1u + c;
		at += 1u + c;
		if (c == 0)
			return (int)n;
	}
	return -EBADMSG;
}

/* Eight bytes, little-endian whatever the machine. */
static uint64_t word8(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

/* Fewer than eight. */
static uint64_t word(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

/*
 * lower() of eight bytes at once: the top bit of a byte's sum tells 'A' or more, and more than 'Z';
 * bytes that have it set already are no letters.
 */
static uint64_t lower8(uint64_t v)
{
	const uint64_t ones = 0x0101010101010101u, tops = 0x80 * ones;
	uint64_t low = v & ~tops;
	uint64_t is = (low + (0x80 - 'A') * ones) & ~(low + (0x80 - 'Z' - 1) * ones) & ~v & tops;

	return v | is >> 2;
}

void dns_name_lower(uint8_t *out, const uint8_t *name, size_t len)
{
	size_t i = 0;

	for (; i + 8 <= len; i += 8) {
		uint64_t v;
		memcpy(&v, name + i, 8);
		v = lower8(v);
		memcpy(out + i, &v, 8);
	}
	if (i < len && len >= 8) { /* the last 8, some of them for the second time */
		uint64_t v;
		memcpy(&v, name + len - 8, 8);
		v = lower8(v);
		memcpy(out + len - 8, &v, 8);
		return;
	}
	for (; i < len; i++)
		out[i] = lower(name[i]);
}

static uint64_t mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	return h ^ h >> 32;
}

uint64_t dns_hash(const uint8_t *p, size_t len, uint64_t key)
{
	uint64_t h = mix(key ^ len);

	for (; len >= 8; p += 8, len -= 8)
		h = mix(h ^ word8(p)) + key;
	return mix(h ^ word(p, len));
}

/* As dns_hash of the name in lower case. */
uint64_t dns_name_hash(const uint8_t *name, size_t len, uint64_t key)
{
	uint64_t h = mix(key ^ len);

	for (; len >= 8; name += 8, len -= 8)
		h = mix(h ^ lower8(word8(name))) + key;
	return mix(h ^ lower8(word(name, len)));
}

/* Reads one character of a label, with its escape. Returns characters used, 0 at a bad one. */
static int read_char(const char *s, uint8_t *c)
{
	if (s[0] != '\\') {
		*c = (uint8_t)s[0];
		return 1;
	}
	if (s[1] < '0' || s[1] > '9') {
		*c = (uint8_t)s[1];
		return s[1] != '\0' ? 2 : 0;
	}
	int v = 0;
	for (int i = 1; i <= 3; i++) {
		if (s[i] < '0' || s[i] > '9')
			return 0;
		v = v * 10 + (s[i] - '0');
	}
	*c = (uint8_t)v;
	return v <= 255 ? 4 : 0;
}

int dns_name_parse(uint8_t out[DNS_NAME_MAX], const char *text)
{
	size_t label = 0, n = 1; /* where the current label's length goes; bytes written */

	if (text[0] == '.' && text[1] == '\0')
		text++;
	else if (text[0] == '\0')
		return -EINVAL;
	while (*text != '\0') {
		if (*text == '.') {
			if (n == label + 1 || n >= DNS_NAME_MAX)
				return -EINVAL;
			out[label] = (uint8_t)(n - label - 1);
			label = n++;
			text++;
			continue;
		}
		uint8_t c;
		int used = read_char(text, &c);
		if (used == 0 || n >= DNS_NAME_MAX || n - label > DNS_LABEL_MAX)
			return -EINVAL;
		out[n++] = c;
		text += used;
	}
	out[label] = (uint8_t)(n - label - 1);
	if (out[label] != 0) {
		if (n >= DNS_NAME_MAX)
			return -EINVAL;
		out[n++] = 0;
	}
	return (int)n;
}

static char *put_char(char *to, uint8_t c)
{
	if (c > 32 && c < 127) {
		if (c == '.' || c == '\\' || c == '"' || c == ';' || c == '(' || c == ')' ||
		    c == '@' || c == '$')
			*to++ = '\\';
		*to++ = (char)c;
		return to;
	}
	*to++ = '\\';
	*to++ = (char)('0' + c / 100);
	*to++ = (char)('0' + c / 10 % 10);
	*to++ = (char)('0' + c % 10);
	return to;
}

size_t dns_name_format(const uint8_t *name, size_t len, char out[DNS_NAME_TEXT])
{
	char *to = out;
	size_t at = 0;

	while (at < len && name[at] != 0 && at + 1 + name[at] <= len) {
		for (size_t i = 1; i <= name[at]; i++)
			to = put_char(to, name[at + i]);
		*to++ = '.';
		at += 1u + name[at];
	}
	if (to == out)
		*to++ = '.';
	*to = '\0';
	return (size_t)(to - out);
}

int dns_rr(struct dns_rr *rr, const uint8_t *m, size_t len, size_t at)
{
	int n = dns_name_skip(m, len, at);

	if (n < 0 || len > UINT16_MAX || at + (size_t)n + 10 > len)
		return -EBADMSG;
	rr->name = (uint16_t)at;
	at += (size_t)n;
	rr->type = dns_get16(m + at);
	rr->class = dns_get16(m + at + 2);
	rr->ttl = dns_get32(m + at + 4);
	rr->rdlen = dns_get16(m + at + 8);
	rr->rdata = (uint16_t)(at + 10);
	if (at + 10 + rr->rdlen > len)
		return -EBADMSG;
	rr->end = (uint16_t)(rr->rdata + rr->rdlen);
	return 0;
}

int dns_edns(struct dns_edns *e, const uint8_t *m, size_t len, size_t q_end)
{
	unsigned n = (unsigned)dns_ancount(m) + dns_nscount(m) + dns_arcount(m);
	unsigned before = (unsigned)dns_ancount(m) + dns_nscount(m);
	size_t at = q_end;

	*e = (struct dns_edns){ 0 };
	for (unsigned i = 0; i < n; i++) {
		struct dns_rr rr;
		if (dns_rr(&rr, m, len, at) < 0)
			return -EBADMSG;
		if (rr.type == DNS_OPT && i >= before) {
			if (e->present || m[rr.name] != 0)
				return -EBADMSG;
			e->present = true;
			e->udp_size = rr.class < DNS_UDP_MAX ? DNS_UDP_MAX : rr.class;
			e->version = (uint8_t)(rr.ttl >> 16);
			e->dnssec_ok = (rr.ttl & 0x8000) != 0;
			e->at = rr.name;
			e->end = rr.end;
		}
		at = rr.end;
	}
	return 0;
}

void dns_w_bytes(struct dns_writer *w, const void *p, size_t n)
{
	if (w->full || n > w->cap - w->len) {
		w->full = true;
		return;
	}
	memcpy(w->m + w->len, p, n);
	w->len += n;
}

void dns_w_u8(struct dns_writer *w, uint8_t v)
{
	dns_w_bytes(w, &v, 1);
}

void dns_w_u16(struct dns_writer *w, uint16_t v)
{
	uint8_t b[2];

	dns_put16(b, v);
	dns_w_bytes(w, b, 2);
}

void dns_w_u32(struct dns_writer *w, uint32_t v)
{
	uint8_t b[4];

	dns_put32(b, v);
	dns_w_bytes(w, b, 4);
}

size_t dns_w_rr(struct dns_writer *w, uint16_t type, uint32_t ttl)
{
	dns_w_u16(w, 0xc000 | DNS_HEADER);
	dns_w_u16(w, type);
	dns_w_u16(w, DNS_IN);
	dns_w_u32(w, ttl);
	dns_w_u16(w, 0);
	return w->len;
}

void dns_w_rr_end(struct dns_writer *w, size_t start)
{
	if (!w->full)
		dns_put16(w->m + start - 2, (uint16_t)(w->len - start));
}

void dns_w_opt(struct dns_writer *w, uint16_t udp_size, bool dnssec_ok)
{
	dns_w_u8(w, 0);
	dns_w_u16(w, DNS_OPT);
	dns_w_u16(w, udp_size);
	dns_w_u32(w, dnssec_ok ? 0x8000 : 0);
	dns_w_u16(w, 0);
}

int dns_query(uint8_t *out, size_t cap, uint16_t id, uint16_t flags, const uint8_t *name,
              size_t name_len, uint16_t type, uint16_t class, uint16_t edns_size)
{
	struct dns_writer w = { .m = out, .len = DNS_HEADER + name_len + 4, .cap = cap };

	if (w.len > cap)
		return -ENOSPC;
	dns_put16(out, id);
	dns_put16(out + 2, flags);
	dns_put16(out + 4, 1);
	dns_put32(out + 6, 0);
	dns_put16(out + 10, edns_size != 0);
	memcpy(out + DNS_HEADER, name, name_len);
	dns_put16(out + DNS_HEADER + name_len, type);
	dns_put16(out + DNS_HEADER + name_len + 2, class);
	if (edns_size != 0)
		dns_w_opt(&w, edns_size, false);
	return w.full ? -ENOSPC : (int)w.len;
}
