/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names permuted label by label; see permute.h. A label is two strings of symbols, those of host
 * names and the rest, each at the places that it has. Each string goes through a Feistel network
 * over its alphabet, in the manner of NIST SP 800-38G's FF1: ten rounds in which one half is added,
 * symbol by symbol, to a function of the other. Hence a label's permutation is one to one among
 * labels of its length; a plain hash of such short ones would make different names one.
 */
#include "permute_inner.h"

#include <stdbool.h>
#include <string.h>

#include "lib/dns.h"

enum { HOST = 38, OTHER = 256 - 26 - HOST, ROUNDS = 10, LABELS_MAX = 128 };

static const char host_symbol[HOST + 1] = "abcdefghijklmnopqrstuvwxyz0123456789-_";

/* One of the two strings of a label, as numbers below radix. */
struct string {
	unsigned radix;
	size_t n;
	uint8_t s[DNS_LABEL_MAX];
	uint8_t at[DNS_LABEL_MAX];  /* their places in the label */
};

/* The byte's number among the symbols of host names; -1: it is none. */
static int host_number(uint8_t c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	if (c >= '0' && c <= '9')
		return 26 + c - '0';
	return c == '-' ? 36 : c == '_' ? 37 : -1;
}

/* Whether a byte is in the other alphabet: all but host names' symbols and capitals. */
static bool is_other(unsigned c)
{
	return host_number((uint8_t)c) < 0 && !(c >= 'A' && c <= 'Z');
}

static uint8_t other_number(uint8_t c)
{
	uint8_t n = 0;

	for (unsigned i = 0; i < c; i++)
		n = (uint8_t)(n + is_other(i));
	return n;
}

static uint8_t other_symbol(uint8_t number)
{
	unsigned c = 0;

	for (unsigned n = 0;; c++)
		if (is_other(c) && n++ == number)
			return (uint8_t)c;
}

/* to[0..n) += a function of the round and from[0..m), symbol by symbol. */
static void add(const struct string *l, const struct prf *f, unsigned round, uint8_t *to, size_t n,
                const uint8_t *from, size_t m)
{
	uint8_t random[2 * DNS_LABEL_MAX];
	struct prf g = *f;

	prf_step(&g, round);
	prf_say(&g, from, m);
	prf_bytes(&g, random, 2 * n);
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)((to[i] + dns_get16(random + 2 * i)) % l->radix);
}

/* A single symbol has no halves: its alphabet is shuffled (Fisher and Yates). */
static void shuffle(struct string *l, const struct prf *f)
{
	uint8_t table[256], random[2 * 256];

	prf_bytes(f, random, 2 * (size_t)l->radix);
	for (unsigned i = 0; i < l->radix; i++)
		table[i] = (uint8_t)i;
	for (unsigned i = l->radix - 1; i > 0; i--) {
		unsigned k = dns_get16(random + 2 * i) % (i + 1);
		uint8_t was = table[i];
		table[i] = table[k];
		table[k] = was;
	}
	l->s[0] = table[l->s[0]];
}

static void permute_string(struct string *l, const struct prf *label)
{
	size_t u = l->n / 2, v = l->n - u;
	struct prf f = *label;

	prf_step(&f, l->radix);
	if (l->n == 1)
		shuffle(l, &f);
	if (l->n < 2)
		return;
	for (unsigned i = 0; i < ROUNDS; i += 2) {
		add(l, &f, i, l->s, u, l->s + u, v);
		add(l, &f, i + 1, l->s + u, v, l->s, u);
	}
}

/* from[0..n): a label without its length. parent: the key of the names that it is one of. */
static void permute_label(const struct prf *parent, uint8_t *out, const uint8_t *from, size_t n)
{
	struct string host = { .radix = HOST }, other = { .radix = OTHER };
	struct prf f = *parent;
	uint64_t places = 0;

	for (size_t i = 0; i < n; i++) {
		int number = host_number(from[i]);
		struct string *l = number >= 0 ? &host : &other;
		places |= (uint64_t)(number < 0) << i;
		l->at[l->n] = (uint8_t)i;
		l->s[l->n++] = number >= 0 ? (uint8_t)number : other_number(from[i]);
	}
	prf_step(&f, n);
	prf_step(&f, places);
	permute_string(&host, &f);
	permute_string(&other, &f);
	for (size_t i = 0; i < host.n; i++)
		out[host.at[i]] = (uint8_t)host_symbol[host.s[i]];
	for (size_t i = 0; i < other.n; i++)
		out[other.at[i]] = other_symbol(other.s[i]);
}

/* Whether the labels from suffix on, len bytes with the root, are the end of a name that stays. */
static bool stays(const struct permute_kept *kept, unsigned n, const uint8_t *suffix, size_t len)
{
	for (unsigned i = 0; i < n; i++)
		for (size_t at = 0; kept[i].name[at] != 0; at += 1u + kept[i].name[at])
			if (kept[i].len - at == len &&
			    memcmp(kept[i].name + at, suffix, len) == 0)
				return true;
	return false;
}

void permute_name_compute(const struct prf *f, const struct permute_kept *kept, unsigned n,
                          uint8_t *out, const uint8_t *name)
{
	uint8_t label[LABELS_MAX], now[DNS_NAME_MAX];
	unsigned label_n = 0, len = 0;
	struct prf zone = *f;

	for (; name[len] != 0; len += 1u + name[len])
		label[label_n++] = (uint8_t)len;
	len++;
	memcpy(now, name, len);
	out[len - 1] = 0;
	while (label_n-- > 0) {
		unsigned at = label[label_n];
		struct prf own = zone;
		bool same = stays(kept, n, name + at, len - at);
		prf_step(&own, 0);
		do { /* again where it becomes one that stays: so it is one to one among the rest */
			if (!same)
				permute_label(&own, out + at + 1, now + at + 1, name[at]);
			else
				memcpy(out + at + 1, name + at + 1, name[at]);
			memcpy(now + at + 1, out + at + 1, name[at]);
		} while (!same && stays(kept, n, now + at, len - at));
		memcpy(now + at + 1, name + at + 1, name[at]);
		out[at] = name[at];
		prf_step(&zone, 1);
		prf_say(&zone, name + at + 1, name[at]);
	}
}
