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

static bool rest(struct walk *w, size_t end, bool stays)
{
	return stays ? keep(w, end, end - w->at) : replace(w, end, end - w->at);
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

/* A string that stays if everybody may use it: a tag of CAA records, or a protocol's name. */
static bool word(struct walk *w, size_t end)
{
	static const char *const known[] = {
		"issue", "issuewild", "issuemail", "issuevmc", "iodef", "contactemail",
		"contactphone", "http/1.0", "http/1.1", "h2", "h2c", "h3", "dot", "doq", "co",
	};
	bool stays = false;

	for (size_t i = 0; w->at < end && i < COUNT_OF(known); i++) {
		size_t n = strlen(known[i]);
		stays = stays || (w->m[w->at] == n && n < end - w->at &&
		                  memcmp(w->m + w->at + 1, known[i], n) == 0);
	}
	return counted(w, end, 1, stays);
}

static bool words(struct walk *w, size_t end)
{
	while (w->at < end)
		if (!word(w, end))
			return false;
	return true;
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

/* Keys that IANA has numbered. */
static bool are_keys(const uint8_t *p, size_t n)
{
	enum { LAST_KEY = 9 };

	for (size_t i = 0; i + 1 < n; i += 2)
		if (dns_get16(p + i) > LAST_KEY)
			return false;
	return n % 2 == 0;
}

static bool parameter(struct walk *w, size_t end, uint16_t key)
{
	enum { MANDATORY = 0, ALPN = 1, PORT = 3, IP4 = 4, IP6 = 6 };
	size_t n = end - w->at;

	switch (key) {
	case IP4:
	case IP6:
		return addresses(w, end, key == IP4);
	case ALPN:
		return words(w, end);
	default:
		return rest(w, end, (key == PORT && n == 2) ||
		                    (key == MANDATORY && are_keys(w->m + w->at, n)));
	}
}

static bool parameters(struct walk *w, size_t end)
{
	uint16_t key;
	size_t to;

	while (w->at < end)
		if (!keyed(w, end, &key, &to) || !parameter(w, to, key))
			return false;
	return true;
}

static bool at_most(const uint8_t *p, size_t n, uint8_t most)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] > most)
			return false;
	return true;
}

/* A client's subnet (RFC 7871 section 6); family 0, which some use for none, stays. */
static bool client_subnet(struct walk *w, size_t end)
{
	const uint8_t *p = w->m + w->at;
	size_t n = end - w->at;

	if (n < 4 || at_most(p, 4, 0))
		return rest(w, end, n == 4);
	uint16_t family = dns_get16(p);
	bool v4 = family == 1;
	unsigned bits = p[2], most = v4 ? 32 : 128;
	if ((family != 1 && family != 2) || bits > most || p[3] > most || n - 4 != (bits + 7) / 8)
		return replace(w, end, n);
	return keep(w, end, 4) && subnet(w, end, v4, n - 4, bits);
}

/* Whether an option's value p[0..n) is one that the option can have, and says nothing. */
static bool says_nothing(uint16_t code, const uint8_t *p, size_t n)
{
	enum { DAU = 5, DHU = 6, N3U = 7, EXPIRE = 9, KEEPALIVE = 11 };

	switch (code) { /* algorithms: up to the last that IANA has numbered */
	case DAU:
		return at_most(p, n, 23);
	case DHU:
		return at_most(p, n, 6);
	case N3U:
		return at_most(p, n, 1);
	case EXPIRE:
		return n == 4;
	case KEEPALIVE:
		return n == 2;
	default:
		return false;
	}
}

/* RFC 6891 section 6.1.2; codes as IANA numbers them. */
static bool options(struct walk *w, size_t end)
{
	enum { PADDING = 12, ERROR = 15 };
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
		else if (says_nothing(code, w->m + w->at, to - w->at))
			fine = keep(w, to, to - w->at);
		if (!fine || !replace(w, to, to - w->at))
			return false;
	}
	return true;
}

/* RFC 4034 section 4.1.2: windows in order, 1...32 bytes each, the last of them not zero. */
static bool is_bitmap(const uint8_t *p, size_t n)
{
	for (int window = -1; n > 0;) {
		size_t len = n > 2 ? p[1] : 0;
		if (len < 1 || len > 32 || len > n - 2 || p[0] <= window || p[1 + len] == 0)
			return false;
		window = p[0];
		p += 2 + len;
		n -= 2 + len;
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
		return counted(w, end, 1, false);
	case 't':
		return word(w, end);
	case 'S':
		return strings(w, end);
	case 'L':
		return counted(w, end, 2, false);
	case 'p':
		return parameters(w, end);
	case 'x':
		return replace(w, end, n);
	case 'X':
		return rest(w, end, false);
	case 'b':
		return rest(w, end, is_bitmap(w->m + w->at, end - w->at));
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
