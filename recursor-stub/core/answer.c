/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers made from the question; see answer.h, and docs/answers.md for the rules in words. Names
 * inside of record data are never compressed, and owners are pointers into the question, so the
 * same question always makes the same bytes.
 */
#include "answer.h"

#include <errno.h>
#include <string.h>

#include "lib/must.h"

enum {
	KEY = 0x65766b6c,      /* keyless on purpose: every recursor and the judge agree */
	SERVER_EDNS = 512,     /* what PowerDNS Recursor 4.8 announces in its answers */
	TTL_LEAST = 300,
	TTL_RANGE = 3301,
	TTL_MAX = 86400,
	BIG_ADDRESSES = 96,
	BIG_STRINGS = 11,
	BIG_STRING = 230,
	BADVERS_HIGH = 1,      /* extended rcode 16: the OPT's upper bits 1, the header's 0 */
};

/* What a question deserves. */
struct made {
	uint64_t hash;       /* of folded name and type */
	uint32_t ttl;        /* seconds */
	uint16_t zone;       /* offset in the message of the zone's name: the last two labels */
	uint16_t type;
	enum dns_rcode rcode;
	bool nodata;
	bool big;
	bool has_ttl;
};

/*
 * True when a label is the word, alone or with '-' or a digit behind it: "nx", "nx17", "nx-a" for
 * "nx", but not "nxp". label: folded, its length byte first.
 */
static bool label_is(const uint8_t *label, const char *word)
{
	size_t n = strlen(word);

	if (label[0] < n || memcmp(label + 1, word, n) != 0)
		return false;
	return label[0] == n || label[n + 1] == '-' ||
	       (label[n + 1] >= '0' && label[n + 1] <= '9');
}

/* Reads a label "ttlN". */
static void read_ttl(struct made *a, const uint8_t *label)
{
	uint32_t v = 0;

	if (label[0] < 4 || label[0] > 8 || memcmp(label + 1, "ttl", 3) != 0)
		return;
	for (size_t i = 4; i <= label[0]; i++) {
		if (label[i] < '0' || label[i] > '9')
			return;
		v = v * 10 + (uint32_t)(label[i] - '0');
	}
	a->ttl = v < TTL_MAX ? v : TTL_MAX;
	a->has_ttl = true;
}

static void read_labels(struct made *a, const uint8_t *low, size_t len)
{
	size_t last[2] = { 0, 0 };

	for (size_t at = 0; at < len && low[at] != 0; at += 1u + low[at]) {
		const uint8_t *label = low + at;
		last[0] = last[1];
		last[1] = at;
		if (label_is(label, "nx"))
			a->rcode = DNS_NXDOMAIN;
		else if (label_is(label, "nodata"))
			a->nodata = true;
		else if (label_is(label, "big"))
			a->big = true;
		else
			read_ttl(a, label);
	}
	a->zone = (uint16_t)(DNS_HEADER + last[0]);
}

/* Types that PowerDNS won't resolve: transfers and what only exists beside other records. */
static bool type_is_refused(uint16_t type)
{
	return type == 0 || type == DNS_OPT || type == 46 /* RRSIG */ || type == 50 /* NSEC3 */ ||
	       type == 251 /* IXFR */ || type == DNS_AXFR || type == UINT16_MAX;
}

static bool type_has_data(uint16_t type)
{
	switch (type) {
	case DNS_A: case DNS_NS: case DNS_CNAME: case DNS_SOA: case DNS_PTR: case DNS_MX:
	case DNS_TXT: case DNS_AAAA: case DNS_SRV: case DNS_HTTPS: case DNS_ANY: case DNS_CAA:
		return true;
	default:
		return false;
	}
}

static void make(struct made *a, const uint8_t *name, const struct dns_question *q)
{
	uint8_t low[DNS_NAME_MAX];

	*a = (struct made){ .type = q->type };
	dns_name_lower(low, name, q->name_len);
	a->hash = dns_hash(low, q->name_len, KEY + (uint64_t)q->type);
	read_labels(a, low, q->name_len);
	if (!a->has_ttl)
		a->ttl = TTL_LEAST + (uint32_t)(a->hash >> 40) % TTL_RANGE;
	if (q->class != DNS_IN || type_is_refused(q->type))
		a->rcode = DNS_SERVFAIL;
	a->nodata = a->nodata || !type_has_data(q->type);
}

/* The i-th number that belongs to the answer. */
static uint64_t number(const struct made *a, unsigned i)
{
	uint8_t b = (uint8_t)i;

	return dns_hash(&b, 1, a->hash);
}

static void put_u64(struct dns_writer *w, uint64_t v)
{
	dns_w_u32(w, (uint32_t)(v >> 32));
	dns_w_u32(w, (uint32_t)v);
}

static void put_hex(struct dns_writer *w, uint64_t v)
{
	uint8_t text[16];

	for (int i = 0; i < 16; i++)
		text[i] = (uint8_t)"0123456789abcdef"[v >> (60 - 4 * i) & 15];
	dns_w_bytes(w, text, sizeof(text));
}

/* The name "PREFIX-0123456789abcdef.example." */
static void put_name(struct dns_writer *w, const char *prefix, uint64_t v)
{
	size_t n = strlen(prefix);

	dns_w_u8(w, (uint8_t)(n + 17));
	dns_w_bytes(w, prefix, n);
	dns_w_u8(w, '-');
	put_hex(w, v);
	dns_w_bytes(w, "\7example", 9);
}

static void put_soa_data(struct dns_writer *w, const struct made *a)
{
	put_name(w, "ns", number(a, 0));
	put_name(w, "hostmaster", number(a, 1));
	dns_w_u32(w, (uint32_t)number(a, 2));
	dns_w_u32(w, 10800);
	dns_w_u32(w, 3600);
	dns_w_u32(w, 604800);
	dns_w_u32(w, a->ttl);
}

static void put_address(struct dns_writer *w, uint16_t type, uint64_t v)
{
	if (type == DNS_A) {
		dns_w_u32(w, 0x0a000000 | (uint32_t)(v & 0xffffff));
		return;
	}
	dns_w_u32(w, 0x20010db8);
	dns_w_u32(w, (uint32_t)dns_hash((const uint8_t[]){ 1 }, 1, v));
	put_u64(w, v);
}

static void put_text(struct dns_writer *w, const struct made *a, unsigned i)
{
	if (!a->big) {
		dns_w_bytes(w, "\31evenkeel ", 10);
		put_hex(w, number(a, i));
		return;
	}
	for (unsigned s = 0; s < BIG_STRINGS; s++) {
		dns_w_u8(w, BIG_STRING);
		for (unsigned at = 0; at + 16 <= BIG_STRING; at += 16)
			put_hex(w, number(a, s * 16 + at / 16));
		dns_w_bytes(w, "......", BIG_STRING % 16);
	}
}

static void put_https(struct dns_writer *w, uint64_t v)
{
	dns_w_u16(w, 1);
	dns_w_u8(w, 0);
	dns_w_bytes(w, "\0\1\0\3\2h2", 7); /* alpn=h2 */
	dns_w_u16(w, 4);                   /* ipv4hint */
	dns_w_u16(w, 4);
	put_address(w, DNS_A, v);
}

static void put_data(struct dns_writer *w, const struct made *a, unsigned i)
{
	uint64_t v = number(a, i);

	switch (a->type) {
	case DNS_A: case DNS_AAAA: put_address(w, a->type, v); break;
	case DNS_NS: put_name(w, "ns", v); break;
	case DNS_CNAME: put_name(w, "alias", v); break;
	case DNS_SOA: put_soa_data(w, a); break;
	case DNS_PTR: put_name(w, "host", v); break;
	case DNS_MX: dns_w_u16(w, (uint16_t)(10 + 10 * i)); put_name(w, "mx", v); break;
	case DNS_TXT: put_text(w, a, i); break;
	case DNS_SRV:
		dns_w_u16(w, (uint16_t)(10 + 10 * i));
		dns_w_u16(w, (uint16_t)(v & 0xff));
		dns_w_u16(w, (uint16_t)(1024 + (v >> 8 & 0x3fff)));
		put_name(w, "srv", v);
		break;
	case DNS_HTTPS: put_https(w, v); break;
	case DNS_ANY: dns_w_bytes(w, "\7RFC8482", 9); break; /* HINFO, RFC 8482 section 4.2 */
	case DNS_CAA:
		dns_w_bytes(w, "\0\5issue", 7);
		put_hex(w, v);
		dns_w_bytes(w, ".example", 8);
		break;
	default: break;
	}
}

static unsigned record_count(const struct made *a)
{
	switch (a->type) {
	case DNS_A: case DNS_AAAA:
		return a->big ? BIG_ADDRESSES : 1 + (unsigned)(a->hash % 3);
	case DNS_NS: case DNS_MX: case DNS_SRV:
		return 2;
	default:
		return 1;
	}
}

static void put_answers(struct dns_writer *w, const struct made *a, uint32_t ttl)
{
	unsigned n = record_count(a);

	dns_put16(w->m + 6, (uint16_t)n);
	for (unsigned i = 0; i < n; i++) {
		size_t at = dns_w_rr(w, a->type == DNS_ANY ? 13 : a->type, ttl);
		put_data(w, a, i);
		dns_w_rr_end(w, at);
	}
}

static void put_negative(struct dns_writer *w, const struct made *a, uint32_t ttl)
{
	size_t owner = w->len, at = dns_w_rr(w, DNS_SOA, ttl);

	dns_put16(w->m + 8, 1);
	if (!w->full)
		dns_put16(w->m + owner, (uint16_t)(0xc000 | a->zone));
	put_soa_data(w, a);
	dns_w_rr_end(w, at);
}

static void put_opt(struct dns_writer *w, const struct dns_edns *e)
{
	size_t at = w->len;

	dns_put16(w->m + 10, 1);
	dns_w_opt(w, SERVER_EDNS, e->dnssec_ok);
	if (e->version > 0 && !w->full)
		w->m[at + 5] = BADVERS_HIGH;
}

int rec_answer(uint8_t *out, size_t cap, const uint8_t *m, size_t len,
               const struct dns_question *q, uint32_t ttl_left)
{
	struct dns_writer w = { .m = out, .cap = cap };
	struct dns_edns e;
	struct made a;

	if (cap < q->end)
		return -ENOSPC;
	make(&a, m + DNS_HEADER, q);
	uint32_t ttl = a.ttl < ttl_left ? a.ttl : ttl_left;
	if (dns_edns(&e, m, len, q->end) < 0)
		e = (struct dns_edns){ 0 };
	memmove(out, m, q->end);
	w.len = q->end;
	bool plain = e.version == 0 && (a.rcode == DNS_NOERROR || a.rcode == DNS_NXDOMAIN);
	unsigned rcode = e.version == 0 ? (unsigned)a.rcode : 0;
	unsigned kept = dns_flags(m) & (DNS_RD | DNS_CD);
	dns_put16(out + 2, (uint16_t)(DNS_QR | DNS_RA | kept | rcode));
	memset(out + 6, 0, 6);
	if (plain && (a.rcode == DNS_NXDOMAIN || a.nodata))
		put_negative(&w, &a, ttl);
	else if (plain)
		put_answers(&w, &a, ttl);
	if (e.present)
		put_opt(&w, &e);
	return w.full ? -ENOSPC : (int)w.len;
}
