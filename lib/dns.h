/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DNS messages on the hot path: header, question, names, EDNS, and a writer for answers (RFC 1035,
 * RFC 6891). Every read is bounded by the given length, whatever the bytes say. Names stay in wire
 * form; case is folded only for comparing and hashing, so 0x20 survives. Anything that isn't hot
 * (printing, zone files) is ldns's, in shells.
 */
#ifndef EK_DNS_H
#define EK_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "must.h"

enum {
	DNS_HEADER = 12,
	DNS_NAME_MAX = 255,        /* wire bytes, root label included (RFC 1035 section 2.3.4) */
	DNS_LABEL_MAX = 63,
	DNS_NAME_TEXT = 4 * 255 + 1, /* room for dns_name_format */
	DNS_UDP_MAX = 512,         /* without EDNS */
	DNS_EDNS_MAX = 1232,       /* what our programs announce and send at most over UDP */
};

enum { /* header flags, as the 16 bits after the ID */
	DNS_QR = 0x8000, DNS_OPCODE = 0x7800, DNS_AA = 0x0400, DNS_TC = 0x0200, DNS_RD = 0x0100,
	DNS_RA = 0x0080, DNS_AD = 0x0020, DNS_CD = 0x0010, DNS_RCODE = 0x000f,
};

enum dns_rcode {
	DNS_NOERROR = 0, DNS_FORMERR = 1, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
};

enum dns_type {
	DNS_A = 1, DNS_NS = 2, DNS_CNAME = 5, DNS_SOA = 6, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16,
	DNS_AAAA = 28, DNS_SRV = 33, DNS_OPT = 41, DNS_DS = 43, DNS_DNSKEY = 48, DNS_HTTPS = 65,
	DNS_IXFR = 251, DNS_AXFR = 252, DNS_ANY = 255, DNS_CAA = 257,
};

enum { DNS_IN = 1, DNS_CH = 3 };

static inline uint16_t dns_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t dns_get32(const uint8_t *p)
{
	return (uint32_t)dns_get16(p) << 16 | dns_get16(p + 2);
}

static inline void dns_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void dns_put32(uint8_t *p, uint32_t v)
{
	dns_put16(p, (uint16_t)(v >> 16));
	dns_put16(p + 2, (uint16_t)v);
}

/* Header fields of a message of at least DNS_HEADER bytes. */
static inline uint16_t dns_id(const uint8_t *m) { return dns_get16(m); }
static inline uint16_t dns_flags(const uint8_t *m) { return dns_get16(m + 2); }
static inline uint16_t dns_qdcount(const uint8_t *m) { return dns_get16(m + 4); }
static inline uint16_t dns_ancount(const uint8_t *m) { return dns_get16(m + 6); }
static inline uint16_t dns_nscount(const uint8_t *m) { return dns_get16(m + 8); }
static inline uint16_t dns_arcount(const uint8_t *m) { return dns_get16(m + 10); }

/* The one question of a message; offsets into that message. */
struct dns_question {
	uint16_t name_len; /* wire bytes from DNS_HEADER on, 1...255; never compressed */
	uint16_t type;
	uint16_t class;
	uint16_t end;      /* offset of the first byte after the question */
};

/*
 * Reads the first question of m[0..len). Returns 0, or -EBADMSG when the header is cut off, qdcount
 * isn't 1, or the name is compressed, too long or runs past the end.
 */
int dns_question(struct dns_question *q, const uint8_t *m, size_t len) MUST_CHECK;

/* True when both messages' questions agree: name without regard to case, type and class. */
bool dns_question_eq(const uint8_t *a, const struct dns_question *qa, const uint8_t *b,
                     const struct dns_question *qb);

/*
 * Wire bytes of the name that starts at m[at], compression pointers not followed but counted (two
 * bytes end the name). Returns its length or -EBADMSG.
 */
int dns_name_skip(const uint8_t *m, size_t len, size_t at) MUST_CHECK;
/*
 * Copies the name at m[at] into out in wire form, following compression. Pointers must go back, so
 * this ends. Returns the length in out (1...255) or -EBADMSG.
 */
int dns_name_expand(uint8_t out[DNS_NAME_MAX], const uint8_t *m, size_t len, size_t at) MUST_CHECK;
/* Equal without regard to ASCII case; both uncompressed wire names of a_len and b_len bytes. */
bool dns_name_eq(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);
/* Copies a wire name with A-Z folded to a-z. out may be name. */
void dns_name_lower(uint8_t *out, const uint8_t *name, size_t len);
/* A 64-bit hash of the name without regard to case. key: a secret where peers choose names. */
uint64_t dns_name_hash(const uint8_t *name, size_t len, uint64_t key);
/* A 64-bit hash of any bytes; not for secrets beyond keeping hash tables fair. */
uint64_t dns_hash(const uint8_t *p, size_t len, uint64_t key);
/*
 * Text to wire form: labels with dots, \. and \DDD escapes, a dot at the end optional, "." the
 * root. Returns the length, or -EINVAL for an empty or too long label or name.
 */
int dns_name_parse(uint8_t out[DNS_NAME_MAX], const char *text) MUST_CHECK;
/* Wire form to text, NUL-terminated, always with the dot at the end. Returns the text's length. */
size_t dns_name_format(const uint8_t *name, size_t len, char out[DNS_NAME_TEXT]);

/* One resource record; offsets into its message. */
struct dns_rr {
	uint16_t name;      /* offset of the owner name */
	uint16_t type;
	uint16_t class;
	uint16_t rdata;     /* offset */
	uint16_t rdlen;
	uint16_t end;       /* offset after the record */
	uint32_t ttl;
};

/* Reads the record at m[at]. Returns 0 or -EBADMSG. */
int dns_rr(struct dns_rr *rr, const uint8_t *m, size_t len, size_t at) MUST_CHECK;

struct dns_edns {
	bool present;
	bool dnssec_ok;
	uint8_t version;
	uint16_t udp_size;  /* as announced, not below 512 */
	uint16_t at;        /* offset of the OPT record's owner name */
	uint16_t end;       /* offset after it */
};

/*
 * Finds the OPT record of a message whose question ends at q_end. e->present tells whether there is
 * one. Returns 0, or -EBADMSG when a record is broken or a second OPT appears (RFC 6891 6.1.1).
 */
int dns_edns(struct dns_edns *e, const uint8_t *m, size_t len, size_t q_end) MUST_CHECK;

/*
 * Writes a message into a buffer of the caller. Once something doesn't fit, full is set and nothing
 * more is written; the caller looks at full once, at the end.
 */
struct dns_writer {
	uint8_t *m;
	size_t len;
	size_t cap;
	bool full;
};

void dns_w_bytes(struct dns_writer *w, const void *p, size_t n);
void dns_w_u8(struct dns_writer *w, uint8_t v);
void dns_w_u16(struct dns_writer *w, uint16_t v);
void dns_w_u32(struct dns_writer *w, uint32_t v);
/*
 * A record's head, its owner a pointer to the question's name: name, type, class IN, ttl seconds,
 * and a place for the length of the data that the caller writes next. Returns what dns_w_rr_end
 * wants.
 */
size_t dns_w_rr(struct dns_writer *w, uint16_t type, uint32_t ttl);
void dns_w_rr_end(struct dns_writer *w, size_t start);
/* An OPT record (RFC 6891) that announces udp_size. */
void dns_w_opt(struct dns_writer *w, uint16_t udp_size, bool dnssec_ok);

/*
 * A query in out[0..cap): id, flags (DNS_RD...), one question, and an OPT record when edns_size
 * isn't 0. Returns its length or -ENOSPC.
 */
int dns_query(uint8_t *out, size_t cap, uint16_t id, uint16_t flags, const uint8_t *name,
              size_t name_len, uint16_t type, uint16_t class, uint16_t edns_size) MUST_CHECK;

#endif
