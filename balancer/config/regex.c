/* SPDX-License-Identifier: BSD-3-Clause */
/* Automatons of regular expressions, by subset construction; see regex.h. */
#include "regex.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dns.h"
#include "regex_parse.h"

enum {
	WORDS = NFA_STATES / 64 + 1,
	AT_BEGIN = NFA_STATES,         /* a bit beside the states': nothing was read yet */
	TABLE = 4 * BAL_REGEX_STATES,
	STEPS = 100000000,             /* of the construction; about a second */
};

/* Where the states may be. */
struct places {
	uint64_t bits[WORDS];
};

struct maker {
	struct nfa nfa;
	struct bal_regex *x;
	uint16_t class_byte[256];      /* a byte of each class, upper case */
	struct places *state;
	uint16_t *table;               /* 1 + state, by hash; 0: free */
	uint16_t *next;
	uint8_t *final;
	uint16_t stack[NFA_STATES];
	uint64_t steps;
};

static bool has(const struct places *p, unsigned i)
{
	return (p->bits[i / 64] >> i % 64 & 1) != 0;
}

static void put(struct places *p, unsigned i)
{
	p->bits[i / 64] |= UINT64_C(1) << i % 64;
}

/* Adds a state and those that it leads to without a byte. */
static void reach(struct maker *m, struct places *p, uint16_t from, bool begin, bool end)
{
	unsigned n = 0;

	m->stack[n++] = from;
	while (n > 0) {
		uint16_t at = m->stack[--n];
		const struct nfa_state *s = &m->nfa.state[at];
		m->steps++;
		if (has(p, at))
			continue;
		put(p, at);
		if (n + 2 > NFA_STATES)
			must_fail("room for the states", __FILE__, __LINE__);
		if (s->kind == NFA_SPLIT || (s->kind == NFA_BEGIN && begin) ||
		    (s->kind == NFA_END && end))
			m->stack[n++] = s->out;
		if (s->kind == NFA_SPLIT)
			m->stack[n++] = s->other;
	}
}

/* Bytes that no set tells apart are one class; a letter is as its capital. */
static void classify(struct maker *m)
{
	uint16_t class[256] = { 0 };
	unsigned n = 1;

	for (unsigned i = 0; i < m->nfa.set_n; i++) {
		uint16_t in[256];          /* of a class: the one of those that are in the set */
		memset(in, 0xff, sizeof(in));
		for (unsigned k = 0, had = n; k < 256; k++) {
			unsigned old = class[k];
			if (old >= had || !byteset_has(&m->nfa.set[i], (unsigned char)k))
				continue;
			if (in[old] == UINT16_MAX)
				in[old] = (uint16_t)n++;
			class[k] = in[old];
		}
	}
	for (unsigned k = 0; k < 256; k++) {
		unsigned as = k >= 'a' && k <= 'z' ? k - 32 : k;
		m->x->class[k] = class[as];
		m->class_byte[class[as]] = (uint16_t)as;
	}
	m->x->class_n = (uint16_t)n;
}

/* The number of a state, which is new or was there. BAL_REGEX_STATES: there are too many. */
static unsigned number(struct maker *m, const struct places *p)
{
	uint64_t h = dns_hash((const uint8_t *)p, sizeof(*p), 0);
	unsigned i = (unsigned)(h % TABLE);

	m->steps += WORDS;
	for (; m->table[i] != 0; i = (i + 1) % TABLE)
		if (memcmp(&m->state[m->table[i] - 1], p, sizeof(*p)) == 0)
			return m->table[i] - 1u;
	if (m->x->state_n == BAL_REGEX_STATES)
		return BAL_REGEX_STATES;
	m->state[m->x->state_n] = *p;
	m->table[i] = (uint16_t)++m->x->state_n;
	return m->x->state_n - 1;
}

/* Whether it matches when nothing follows. */
static bool ends_well(struct maker *m, const struct places *p)
{
	struct places end = { { 0 } };

	for (unsigned i = 0; i < m->nfa.state_n; i++)
		if (has(p, i) && m->nfa.state[i].kind == NFA_END)
			reach(m, &end, m->nfa.state[i].out, has(p, AT_BEGIN), true);
	return has(&end, 0);
}

/* Where a byte leads to; the expression may begin at every byte. */
static struct places move(struct maker *m, const struct places *p, unsigned char byte)
{
	struct places to = { { 0 } };

	for (unsigned w = 0; w * 64 < m->nfa.state_n; w++)
		for (uint64_t bits = p->bits[w]; bits != 0; bits &= bits - 1) {
			unsigned i = w * 64 + (unsigned)__builtin_ctzll(bits);
			if (i >= m->nfa.state_n)
				break;
			const struct nfa_state *s = &m->nfa.state[i];
			m->steps++;
			if (s->kind == NFA_SET && byteset_has(&m->nfa.set[s->set], byte))
				reach(m, &to, s->out, false, false);
		}
	reach(m, &to, m->nfa.start, false, false);
	return to;
}

/* All transitions of a state. False: too many states or steps. */
static bool expand(struct maker *m, unsigned i)
{
	const struct places p = m->state[i];
	bool now = has(&p, 0);

	m->final[i] = now ? BAL_REGEX_NOW : ends_well(m, &p) ? BAL_REGEX_AT_END : 0;
	for (unsigned c = 0; c < m->x->class_n; c++) {
		unsigned to = i;
		if (!now) {
			struct places next = move(m, &p, (unsigned char)m->class_byte[c]);
			to = number(m, &next);
		}
		if (to == BAL_REGEX_STATES || m->steps > STEPS)
			return false;
		m->next[(size_t)i * m->x->class_n + c] = (uint16_t)to;
	}
	return true;
}

static bool make(struct maker *m)
{
	struct places start = { { 0 } };

	classify(m);
	m->state = calloc(BAL_REGEX_STATES, sizeof(*m->state));
	m->table = calloc(TABLE, sizeof(*m->table));
	m->next = calloc((size_t)BAL_REGEX_STATES * m->x->class_n, sizeof(*m->next));
	m->final = calloc(BAL_REGEX_STATES, sizeof(*m->final));
	MUST(m->state != NULL && m->table != NULL && m->next != NULL && m->final != NULL);
	reach(m, &start, m->nfa.start, true, false);
	put(&start, AT_BEGIN);
	number(m, &start);
	for (unsigned i = 0; i < m->x->state_n; i++)
		if (!expand(m, i))
			return false;
	return true;
}

static void *shrunk(void *take_p, size_t size)
{
	void *p = realloc(take_p, size);

	MUST(p != NULL);
	return p;
}

static bool library_takes(const char *text, char error[CF_REGEX_ERROR])
{
	regex_t library;
	int err = regcomp(&library, text, REG_EXTENDED | REG_ICASE | REG_NOSUB);

	if (err != 0)
		regerror(err, &library, error, CF_REGEX_ERROR);
	else
		regfree(&library);
	return err == 0;
}

bool cf_regex_compile(struct bal_regex *out, const char *text, char error[CF_REGEX_ERROR])
{
	struct maker *m = calloc(1, sizeof(*m));
	const char *what = NULL;
	bool good = false;

	MUST(m != NULL);
	*out = (struct bal_regex){ 0 };
	m->x = out;
	if (!cf_nfa_parse(&m->nfa, text, &what)) {
		snprintf(error, CF_REGEX_ERROR, "%s", what);
	} else if (library_takes(text, error)) {
		good = make(m);
		if (!good)
			snprintf(error, CF_REGEX_ERROR, "its automaton would be too large");
	}
	free(m->state);
	free(m->table);
	if (good) {
		out->next = shrunk(m->next, out->state_n * out->class_n * sizeof(*m->next));
		out->final = shrunk(m->final, out->state_n);
	} else {
		free(m->next);
		free(m->final);
	}
	free(m);
	return good;
}

void cf_regex_fini(struct bal_regex *x)
{
	free((void *)(uintptr_t)x->next);
	free((void *)(uintptr_t)x->final);
}
