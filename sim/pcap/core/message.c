/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One message, from its header through its questions to its records; see message.h. A compression
 * pointer may only lead to where a name, or the rest of one, was read before: so no byte is ever
 * read in two ways.
 */
#include "message.h"

#include <errno.h>
#include <string.h>

#include "lib/ecs.h"

enum {
	POINTERS = 1 << 14,     /* offsets that a compression pointer can have */
	CLASS_NONE = 254, CLASS_ANY = 255,
	FIRST_FIXED = 10,       /* of a record, behind its owner */
};

struct walk {
	struct permute *p;
	uint8_t *out;
	const uint8_t *m;
	size_t len, at;                 /* at: all before it is in out */
	uint64_t start[POINTERS / 64];  /* where a label starts */
};

static const struct form {
	uint16_t type;
	const char *fields;
} forms[] = {
#define FORM(type, name, fields) { type, fields },
#include "message_form.def"
#undef FORM
};

/* ---- pieces of a message, each up to end; false: it isn't there ---- */

static bool keep(struct walk *w, size_t end, size_t n)
{
	if (n > end - w->at)
		return false;
	memcpy(w->out + w->at, w->m + w->at, n);
	w->at += n;
	return true;
}

static bool replace(struct walk *w, size_t end, size_t n)
{
	size_t at = w->at;

	if (!keep(w, end, n))
		return false;
	if (n > 0)
		permute_bytes(w->p, w->out + at, n);
	return true;
}

static void mark(struct walk *w, size_t at)
{
	if (at < POINTERS)
		w->start[at / 64] |= UINT64_C(1) << (at % 64);
}

static bool marked(const struct walk *w, size_t at)
{
	return at < POINTERS && (w->start[at / 64] >> (at % 64) & 1) != 0;
}

static bool name(struct walk *w, size_t end)
{
	uint8_t whole[DNS_NAME_MAX];
	int there = dns_name_skip(w->m, end, w->at);
	size_t labels = 0;

	if (there < 0)
		return false;
	const uint8_t *p = w->m + w->at;
	while (p[labels] != 0 && p[labels] < 0xc0)
		labels += 1u + p[labels];
	if (p[labels] != 0 && !marked(w, dns_get16(p + labels) & (POINTERS - 1)))
		return false;
	int n = dns_name_expand(whole, w->m, w->len, w->at);
	if (n < 0)
		return false;
	permute_name(w->p, whole, whole, (size_t)n);
	for (size_t i = 0; i < labels; i += 1u + p[i])
		mark(w, w->at + i);
	mark(w, w->at + labels);
	memcpy(w->out + w->at, whole, labels);
	w->at += labels;
	return keep(w, end, (size_t)there - labels);
}

/* An address of n bytes of which the first bits count. */
static bool subnet(struct walk *w, size_t end, bool v4, size_t n, unsigned bits)
{
	static const struct ip mapped = { { [10] = 0xff, [11] = 0xff } };
	struct ip ip = v4 ? mapped : (struct ip){ 0 };
	size_t at = w->at, first = v4 ? 12 : 0;

	if (n > 16 - first || !keep(w, end, n))
		return false;
	memcpy(ip.b + first, w->m + at, n);
	ip = permute_subnet(w->p, &ip, bits);
	memcpy(w->out + at, ip.b + first, n);
	return true;
}

static bool address(struct walk *w, size_t end, bool v4)
{
	return subnet(w, end, v4, v4 ? 4 : 16, v4 ? 32 : 128);
}

/* Bytes behind their length, which has size bytes. */
static bool counted(struct walk *w, size_t end, size_t size, bool stays)
{
	if (!keep(w, end, size))
		return false;
	size_t n = size == 1 ? w->m[w->at - 1] : dns_get16(w->m + w->at - 2);
	return stays ? keep(w, end, n) : replace(w, end, n);
}

static bool strings(struct walk *w, size_t end)
{
	while (w->at < end)
		if (!counted(w, end, 1, false))
			return false;
	return true;
}

/* ---- options and parameters: 16 bits of key, 16 bits of length, value ---- */

/* Reads a key and where its value ends. */
static bool keyed(struct walk *w, size_t end, uint16_t *key, size_t *value_end)
{
	if (!keep(w, end, 4))
		return false;
	*key = dns_get16(w->m + w->at - 4);
	size_t n = dns_get16(w->m + w->at - 2);
	*value_end = w->at + n;
#ifdef EK_PLANT /* what make fuzz must find: a length that its record has no room for */
	return true;
#endif
	return n <= end - w->at;
}

static bool addresses(struct walk *w, size_t end, bool v4)
{
	while (w->at < end)
		if (!address(w, end, v4))
			return false;
	return true;
}

static bool parameters(struct walk *w, size_t end)
{
	enum { MANDATORY = 0, ALPN = 1, NO_ALPN = 2, PORT = 3, IP4 = 4, IP6 = 6 };
	uint16_t key;
	size_t to;

	while (w->at < end) {
		if (!keyed(w, end, &key, &to))
			return false;
		bool stays = key == MANDATORY || key == ALPN || key == NO_ALPN || key == PORT;
		bool fine = key == IP4 || key == IP6 ? addresses(w, to, key == IP4)
		                                     : stays ? keep(w, to, to - w->at)
		                                             : replace(w, to, to - w->at);
		if (!fine)
			return false;
	}
	return true;
}

/* A client's subnet (RFC 7871 section 6). */
static bool client_subnet(struct walk *w, size_t end)
{
	size_t n = end - w->at;

	if (!keep(w, end, 4))
		return false;
	uint16_t family = dns_get16(w->m + w->at - 4);
	unsigned bits = w->m[w->at - 2];
	bool v4 = family == 1;
	if ((family != 1 && family != 2) || bits > (v4 ? 32 : 128) || n - 4 != (bits + 7) / 8)
		return replace(w, end, n - 4);
	return subnet(w, end, v4, n - 4, bits);
}

/* RFC 6891 section 6.1.2; codes as IANA numbers them. */
static bool options(struct walk *w, size_t end)
{
	enum { DAU = 5, DHU = 6, N3U = 7, EXPIRE = 9, KEEPALIVE = 11, PADDING = 12, ERROR = 15 };
	uint16_t code;
	size_t to;

	while (w->at < end) {
		if (!keyed(w, end, &code, &to))
			return false;
		bool fine = true;
		if (code == ECS_OPTION)
			fine = client_subnet(w, to);
		else if (code == ERROR)
			fine = keep(w, to, 2);
		else if (code == PADDING)
			w->at = to; /* zero */
		else if (code == DAU || code == DHU || code == N3U || code == EXPIRE ||
		         code == KEEPALIVE)
			fine = keep(w, to, to - w->at);
		if (!fine || !replace(w, to, to - w->at))
			return false;
	}
	return true;
}

/* ---- records ---- */

/* How many times its first letter the form repeats. */
static size_t repeats(const char *f)
{
	size_t n = 1;

	while (f[n] == f[0])
		n++;
	return n;
}

static bool field(struct walk *w, size_t end, const char *f, size_t n)
{
	switch (*f) {
	case 'n':
		return name(w, end);
	case 'a':
	case 'A':
		return address(w, end, *f == 'a');
	case 's':
	case 't':
		return counted(w, end, 1, *f == 't');
	case 'S':
		return strings(w, end);
	case 'L':
		return counted(w, end, 2, false);
	case 'p':
		return parameters(w, end);
	case 'x':
		return replace(w, end, n);
	case 'X':
		return replace(w, end, end - w->at);
	case 'K':
		return keep(w, end, end - w->at);
	default:
		return keep(w, end, (size_t)(*f - '0'));
	}
}

static const char *form_of(uint16_t type, uint16_t class)
{
	bool in = class == DNS_IN || class == CLASS_NONE || class == CLASS_ANY;

	for (size_t i = 0; i < COUNT_OF(forms); i++)
		if (forms[i].type == type)
			return in || strchr("aA", forms[i].fields[0]) == NULL ? forms[i].fields
			                                                      : "X";
	return "X";
}

static bool data(struct walk *w, size_t end, const char *f)
{
	while (*f != '\0') {
		size_t n = *f == 'x' ? repeats(f) : 1;
		if (!field(w, end, f, n))
			return false;
		f += n;
	}
	return w->at == end;
}

static bool record(struct walk *w)
{
	struct dns_rr rr;

	if (dns_rr(&rr, w->m, w->len, w->at) < 0 || !name(w, w->len) ||
	    !keep(w, w->len, FIRST_FIXED))
		return false;
	if (rr.rdlen == 0)
		return true;
	if (rr.type == DNS_OPT && w->m[rr.name] == 0)
		return options(w, rr.end);
	return data(w, rr.end, form_of(rr.type, rr.class));
}

static bool question(struct walk *w)
{
	return name(w, w->len) && keep(w, w->len, 4);
}

static bool message(struct walk *w, size_t *whole)
{
	if (!keep(w, w->len, DNS_HEADER))
		return false;
	unsigned n = (unsigned)dns_ancount(w->m) + dns_nscount(w->m) + dns_arcount(w->m);
	*whole = w->at;
	for (unsigned i = dns_qdcount(w->m); i > 0; i--) {
		if (!question(w))
			return false;
		*whole = w->at;
	}
	for (; n > 0; n--) {
		if (!record(w))
			return false;
		*whole = w->at;
	}
	return true;
}

bool message_anonymize(struct permute *p, uint8_t *out, const uint8_t *m, size_t len)
{
	struct walk w = { .p = p, .out = out, .m = m, .len = len };
	size_t whole = 0;

	memset(out, 0, len);
	if (message(&w, &whole)) {
		bool replaced = replace(&w, len, len - w.at);
		MUST(replaced);
		return true;
	}
	memset(out + whole, 0, len - whole);
	return false;
}
