/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads POSIX extended regular expressions as the C library does with REG_ICASE: letters are upper
 * case before anything else is looked at, but for names of classes. First a tree, since counted
 * repetition writes its operand out several times, then states, from the end to the beginning.
 */
#include "regex_parse.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/must.h"

enum { NODES = 4096, DEPTH = 100, NO_MAX = -1, COUNT_MAX = 32767, EMITS = 1000000 };

enum node_kind { EMPTY, SET, BEGIN, END, CAT, ALT, REPEAT };

struct node {
	uint8_t kind;
	uint16_t a, b;        /* CAT, ALT: operands; REPEAT: a; SET: a, the set */
	int min, max;         /* REPEAT */
};

struct reader {
	const char *at;
	struct nfa *nfa;
	const char *what;     /* why it can't be done; NULL: so far it can */
	unsigned node_n, depth, emits;
	struct node node[NODES];
};

static unsigned char upper(unsigned char c)
{
	return c >= 'a' && c <= 'z' ? (unsigned char)(c - 32) : c;
}

static uint16_t cant(struct reader *r, const char *what)
{
	if (r->what == NULL)
		r->what = what;
	return 0;
}

static uint16_t add(struct reader *r, struct node n)
{
	if (r->node_n == NODES)
		return cant(r, "it is too long");
	r->node[r->node_n] = n;
	return (uint16_t)r->node_n++;
}

static void set_add(struct byteset *s, unsigned char c)
{
	s->bits[c / 64] |= UINT64_C(1) << c % 64;
}

static uint16_t add_set(struct reader *r, const struct byteset *s)
{
	struct nfa *n = r->nfa;
	unsigned i = 0;

	while (i < n->set_n && memcmp(&n->set[i], s, sizeof(*s)) != 0)
		i++;
	if (i == NFA_SETS)
		return cant(r, "it is too long");
	if (i == n->set_n)
		n->set[n->set_n++] = *s;
	return add(r, (struct node){ .kind = SET, .a = (uint16_t)i });
}

static uint16_t literal(struct reader *r, char c)
{
	struct byteset s = { { 0 } };

	set_add(&s, upper((unsigned char)c));
	return add_set(r, &s);
}

static void add_class(struct byteset *s, int (*is)(int))
{
	for (int c = 0; c < 256; c++)
		if (is(c))
			set_add(s, (unsigned char)c);
}

static void invert(struct byteset *s)
{
	for (unsigned i = 0; i < COUNT_OF(s->bits); i++)
		s->bits[i] = ~s->bits[i];
}

/* ---- brackets ---- */

static const struct { const char *name; int (*is)(int); } classes[] = {
	{ "alpha", isalpha }, { "digit", isdigit }, { "alnum", isalnum }, { "upper", isalpha },
	{ "lower", isalpha }, { "space", isspace }, { "blank", isblank }, { "punct", ispunct },
	{ "print", isprint }, { "graph", isgraph }, { "cntrl", iscntrl }, { "xdigit", isxdigit },
};

/* [:name:]; at stands at its colon. */
static void read_class(struct reader *r, struct byteset *s)
{
	const char *name = r->at + 1;

	for (size_t i = 0; i < COUNT_OF(classes); i++) {
		size_t len = strlen(classes[i].name);
		if (strncmp(name, classes[i].name, len) != 0 || strncmp(name + len, ":]", 2) != 0)
			continue;
		add_class(s, classes[i].is);
		r->at = name + len + 2;
		return;
	}
	cant(r, "it has a class that isn't known");
}

/* One end of a range: a byte, [.c.] or [=c=]. */
static unsigned char read_end(struct reader *r)
{
	if (r->at[0] != '[' || (r->at[1] != '.' && r->at[1] != '='))
		return upper((unsigned char)*r->at++);
	if (r->at[2] == '\0' || r->at[3] != r->at[1] || r->at[4] != ']') {
		cant(r, "it has a collating element of more than one byte");
		return 0;
	}
	r->at += 5;
	return upper((unsigned char)r->at[-3]);
}

/* Behind the opening bracket, up to behind the closing one. */
static uint16_t read_bracket(struct reader *r)
{
	struct byteset s = { { 0 } };
	bool inverted = *r->at == '^';
	const char *first = r->at += inverted;

	while (r->what == NULL && *r->at != '\0' && (*r->at != ']' || r->at == first)) {
		if (r->at[0] == '[' && r->at[1] == ':') {
			r->at++;
			read_class(r, &s);
			continue;
		}
		unsigned char low = read_end(r), high = low;
		if (r->at[0] == '-' && r->at[1] != ']' && r->at[1] != '\0') {
			r->at++;
			high = read_end(r);
		}
		for (unsigned c = low; c <= high; c++)
			set_add(&s, (unsigned char)c);
	}
	r->at += *r->at != '\0';
	if (inverted)
		invert(&s);
	return add_set(r, &s);
}

/* ---- the rest ---- */

static int is_word(int c)
{
	return isalnum(c) || c == '_';
}

/* Behind the backslash. */
static uint16_t read_escape(struct reader *r)
{
	struct byteset s = { { 0 } };
	char c = *r->at;

	if (c == '\0')
		return cant(r, "it ends in a backslash");
	r->at++;
	if (c >= '1' && c <= '9')
		return cant(r, "it has a back reference");
	switch (c) {
	case 'b': case 'B': case '<': case '>':
		return cant(r, "it asks for the edge of a word");
	case '`':
		return add(r, (struct node){ .kind = BEGIN });
	case '\'':
		return add(r, (struct node){ .kind = END });
	case 'w': case 'W':
		add_class(&s, is_word);
		break;
	case 's': case 'S':
		add_class(&s, isspace);
		break;
	default:
		return literal(r, c);
	}
	if (c == 'W' || c == 'S')
		invert(&s);
	return add_set(r, &s);
}

static uint16_t read_choice(struct reader *r);

static uint16_t read_atom(struct reader *r)
{
	struct byteset any = { { 0 } };
	uint16_t inner;
	char c = *r->at++;

	switch (c) {
	case '(':
		if (++r->depth > DEPTH)
			return cant(r, "its parentheses are too deep");
		inner = read_choice(r);
		r->depth--;
		r->at += *r->at == ')';
		return inner;
	case '[':
		return read_bracket(r);
	case '.':
		invert(&any);
		any.bits[0] &= ~UINT64_C(1); /* all but NUL */
		return add_set(r, &any);
	case '^':
		return add(r, (struct node){ .kind = BEGIN });
	case '$':
		return add(r, (struct node){ .kind = END });
	case '\\':
		return read_escape(r);
	default:
		return literal(r, c);
	}
}

static int read_count(struct reader *r, int otherwise)
{
	int n = 0;

	if (*r->at < '0' || *r->at > '9')
		return otherwise;
	for (; *r->at >= '0' && *r->at <= '9'; r->at++)
		n = n < COUNT_MAX ? 10 * n + (*r->at - '0') : n;
	if (n > COUNT_MAX)
		cant(r, "it repeats too often");
	return n;
}

/* {n}, {n,}, {,m}, {n,m}, behind its brace. */
static void read_counts(struct reader *r, struct node *n)
{
	n->min = n->max = read_count(r, 0);
	if (*r->at == ',') {
		r->at++;
		n->max = read_count(r, NO_MAX);
	}
	r->at += *r->at == '}';
}

static uint16_t read_repeated(struct reader *r)
{
	uint16_t it = read_atom(r);

	while (r->what == NULL && *r->at != '\0' && strchr("*+?{", *r->at) != NULL) {
		struct node n = { .kind = REPEAT, .a = it, .min = *r->at == '+',
		                  .max = *r->at == '?' ? 1 : NO_MAX };
		if (*r->at++ == '{')
			read_counts(r, &n);
		it = add(r, n);
	}
	return it;
}

static bool at_end_of_branch(const struct reader *r)
{
	return *r->at == '\0' || *r->at == '|' || (*r->at == ')' && r->depth > 0);
}

static uint16_t read_branch(struct reader *r)
{
	uint16_t all = add(r, (struct node){ .kind = EMPTY });

	while (r->what == NULL && !at_end_of_branch(r)) {
		uint16_t next = read_repeated(r);
		all = add(r, (struct node){ .kind = CAT, .a = all, .b = next });
	}
	return all;
}

static uint16_t read_choice(struct reader *r)
{
	uint16_t all = read_branch(r);

	while (r->what == NULL && *r->at == '|') {
		r->at++;
		uint16_t next = read_branch(r);
		all = add(r, (struct node){ .kind = ALT, .a = all, .b = next });
	}
	return all;
}

/* ---- states ---- */

static uint16_t state(struct reader *r, enum nfa_kind kind, uint16_t out, uint16_t other,
                      uint16_t set)
{
	struct nfa *n = r->nfa;

	if (n->state_n == NFA_STATES)
		return cant(r, "it is too long, written out");
	n->state[n->state_n] = (struct nfa_state){ (uint8_t)kind, out, other, set };
	return (uint16_t)n->state_n++;
}

static uint16_t emit(struct reader *r, uint16_t node, uint16_t next);

static uint16_t emit_repeat(struct reader *r, const struct node *n, uint16_t next)
{
	uint16_t in = next;

	if (n->max == NO_MAX) {
		in = state(r, NFA_SPLIT, 0, next, 0);
		uint16_t body = emit(r, n->a, in);
		r->nfa->state[in].out = body;
	}
	for (int i = n->min; i < n->max && r->what == NULL; i++) {
		uint16_t body = emit(r, n->a, in);
		in = state(r, NFA_SPLIT, body, next, 0);
	}
	for (int i = 0; i < n->min && r->what == NULL; i++)
		in = emit(r, n->a, in);
	return in;
}

/* The states of a node in front of next; the first of them. */
static uint16_t emit(struct reader *r, uint16_t node, uint16_t next)
{
	const struct node n = r->node[node];
	uint16_t a, b;

	if (++r->emits > EMITS)
		cant(r, "it is too long, written out");
	if (r->what != NULL)
		return next;
	switch ((enum node_kind)n.kind) {
	case EMPTY:
		return next;
	case SET:
		return state(r, NFA_SET, next, 0, n.a);
	case BEGIN:
		return state(r, NFA_BEGIN, next, 0, 0);
	case END:
		return state(r, NFA_END, next, 0, 0);
	case CAT:
		return emit(r, n.a, emit(r, n.b, next));
	case ALT:
		a = emit(r, n.a, next);
		b = emit(r, n.b, next);
		return state(r, NFA_SPLIT, a, b, 0);
	case REPEAT:
		return emit_repeat(r, &n, next);
	}
	return next;
}

bool cf_nfa_parse(struct nfa *n, const char *text, const char **what)
{
	struct reader *r = calloc(1, sizeof(*r));

	MUST(r != NULL);
	r->at = text;
	r->nfa = n;
	n->state_n = n->set_n = 0;
	state(r, NFA_ACCEPT, 0, 0, 0);
	uint16_t all = read_choice(r);
	n->start = emit(r, all, 0);
	*what = r->what;
	free(r);
	return *what == NULL;
}
