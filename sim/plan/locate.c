/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds the line of a value in the text of a scenario. Lua tells only the line on which a table was
 * made, so from there this reads on: enough of Lua's tokens to follow "key = { ... }" down a path.
 * What isn't written out (a table in a variable) is found as far as it can be.
 */
#include <string.h>

#include "scenario.h"

enum token { END, NAME, TEXT, PUNCT };

struct reader {
	const char *p, *end;
	unsigned line;
	enum token token;
	const char *start; /* of the token; of a text, its first byte */
	size_t len;
};

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '_';
}

/* The level of a long bracket at p ("[[": 0, "[=[": 1), or -1. */
static int long_bracket(const char *p, const char *end)
{
	int level = 0;

	for (p++; p < end && *p == '='; p++)
		level++;
	return p < end && *p == '[' ? level : -1;
}

static void skip_long(struct reader *r, int level)
{
	for (r->p += level + 2; r->p < r->end; r->p++) {
		int k = 0;
		r->line += *r->p == '\n';
		if (*r->p != ']')
			continue;
		while (k < level && r->p + 1 + k < r->end && r->p[1 + k] == '=')
			k++;
		if (k == level && r->p + 1 + k < r->end && r->p[1 + k] == ']') {
			r->p += level + 2;
			return;
		}
	}
}

static void skip_space(struct reader *r)
{
	while (r->p < r->end) {
		if (*r->p == ' ' || *r->p == '\t' || *r->p == '\r' || *r->p == '\n') {
			r->line += *r->p++ == '\n';
			continue;
		}
		if (r->end - r->p < 2 || r->p[0] != '-' || r->p[1] != '-')
			return;
		r->p += 2;
		int level = r->p < r->end && *r->p == '[' ? long_bracket(r->p, r->end) : -1;
		if (level >= 0)
			skip_long(r, level);
		while (level < 0 && r->p < r->end && *r->p != '\n')
			r->p++;
	}
}

static void quoted(struct reader *r)
{
	char quote = *r->p++;

	r->token = TEXT;
	r->start = r->p;
	for (; r->p < r->end && *r->p != quote; r->p++) {
		if (*r->p == '\\' && r->p + 1 < r->end)
			r->p++;
		r->line += *r->p == '\n';
	}
	r->len = (size_t)(r->p - r->start);
	r->p += r->p < r->end;
}

static void next(struct reader *r)
{
	skip_space(r);
	r->token = END;
	r->start = r->p;
	r->len = 0;
	if (r->p == r->end)
		return;
	int level = *r->p == '[' ? long_bracket(r->p, r->end) : -1;
	if (*r->p == '"' || *r->p == '\'') {
		quoted(r);
		return;
	}
	r->token = level >= 0 ? TEXT : is_name(*r->p) ? NAME : PUNCT;
	if (level >= 0)
		skip_long(r, level);
	else if (r->token == PUNCT)
		r->p++;
	while (r->token == NAME && r->p < r->end && is_name(*r->p))
		r->p++;
	r->len = (size_t)(r->p - r->start);
}

static bool is_punct(const struct reader *r, char c)
{
	return r->token == PUNCT && *r->start == c;
}

static bool is_text(const struct reader *r, const char *text)
{
	return strlen(text) == r->len && memcmp(r->start, text, r->len) == 0;
}

/* Skips a value: up to a comma, semicolon or closing brace of its own table. */
static void skip_value(struct reader *r)
{
	for (int depth = 0; r->token != END; next(r)) {
		if (depth == 0 && (is_punct(r, ',') || is_punct(r, ';') || is_punct(r, '}')))
			return;
		if (is_punct(r, '{') || is_punct(r, '(') || is_punct(r, '['))
			depth++;
		if (is_punct(r, '}') || is_punct(r, ')') || is_punct(r, ']'))
			depth--;
	}
}

/* At a '{': moves to the value of w and sets *line. False when it isn't there. */
static bool find_entry(struct reader *r, const struct at *w, unsigned *line)
{
	unsigned index = 0;

	if (!is_punct(r, '{'))
		return false;
	for (next(r); r->token != END && !is_punct(r, '}');) {
		unsigned here = r->line;
		struct reader key = *r;
		bool bracket = is_punct(r, '['), keyed = false, found = false;
		if (bracket)
			next(&key);
		struct reader after = key;
		next(&after);
		if (bracket && is_punct(&after, ']'))
			next(&after);
		keyed = (key.token == NAME || bracket) && is_punct(&after, '=');
		if (keyed) {
			found = w->key != NULL && is_text(&key, w->key);
			*r = after;
			next(r);
		} else {
			found = w->key == NULL && ++index == w->index;
		}
		if (found) {
			*line = here;
			return true;
		}
		skip_value(r);
		if (is_punct(r, ',') || is_punct(r, ';'))
			next(r);
	}
	return false;
}

/* Moves r to the value of w, its outermost step included, as far as it goes. */
static bool descend(struct reader *r, const struct at *w, unsigned *line)
{
	if (w->outer != NULL)
		return descend(r, w->outer, line) && find_entry(r, w, line);
	while (r->token != END && !(r->token == NAME && is_text(r, w->word)))
		next(r);
	while (r->token != END && !is_punct(r, '{'))
		next(r);
	return r->token != END;
}

unsigned locate(const char *text, size_t len, const struct at *w)
{
	struct reader r = { .p = text, .end = text + len, .line = 1 };
	const struct at *block = w;

	while (block->outer != NULL)
		block = block->outer;
	unsigned line = block->line;
	if (block->word == NULL || line == 0)
		return line;
	for (; r.p < r.end && r.line < line; r.p++)
		r.line += *r.p == '\n';
	next(&r);
	descend(&r, w, &line);
	return line;
}
