/* SPDX-License-Identifier: BSD-3-Clause */
/* From the text of a regular expression to states that may be in many places at once; regex.c. */
#ifndef EK_CONFIG_REGEX_PARSE_H
#define EK_CONFIG_REGEX_PARSE_H

#include <stdbool.h>
#include <stdint.h>

enum { NFA_STATES = 4096, NFA_SETS = 512 };

struct byteset {
	uint64_t bits[4];
};

static inline bool byteset_has(const struct byteset *s, unsigned char c)
{
	return (s->bits[c / 64] >> c % 64 & 1) != 0;
}

enum nfa_kind { NFA_ACCEPT, NFA_SET, NFA_SPLIT, NFA_BEGIN, NFA_END };

struct nfa_state {
	uint8_t kind;
	uint16_t out, other;  /* other: NFA_SPLIT */
	uint16_t set;         /* NFA_SET */
};

struct nfa {
	unsigned state_n, set_n;
	uint16_t start;       /* state 0 accepts */
	struct nfa_state state[NFA_STATES];
	struct byteset set[NFA_SETS];  /* of bytes as they are compared, in upper case */
};

/*
 * False: *what it has that this can't do. Of a text that isn't a regular expression it makes
 * something; regcomp is to say that, but only of what was found small enough here, because it
 * takes time and memory without bounds.
 */
bool cf_nfa_parse(struct nfa *n, const char *text, const char **what);

#endif
