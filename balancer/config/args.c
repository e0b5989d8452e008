/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How C functions that a configuration calls read their arguments, and how they fail: with the line
 * of the file, the value that was there, and what was expected.
 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 63 };

unsigned line_of(lua_State *l)
{
	lua_Debug ar;

	for (int level = 0; lua_getstack(l, level, &ar); level++)
		if (lua_getinfo(l, "l", &ar) && ar.currentline > 0)
			return (unsigned)ar.currentline;
	return 0;
}

_Noreturn void fail(lua_State *l, const char *fmt, ...)
{
	char text[CONFIG_ERROR_TEXT / 2];
	unsigned line = line_of(l);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (line > 0)
		lua_pushfstring(l, "config:%d: %s", (int)line, text);
	else
		lua_pushfstring(l, "config: %s", text);
	lua_error(l);
	abort();
}

void *list_add(void *list, unsigned *n, size_t size, void **out_new)
{
	if ((*n & (*n - 1)) == 0) {
		list = realloc(list, size * (*n > 0 ? 2 * (size_t)*n : 1));
		MUST(list != NULL);
	}
	*out_new = (char *)list + size * (*n)++;
	memset(*out_new, 0, size);
	return list;
}

void note(struct loader *ld, enum config_note_kind kind, unsigned line, const char *text)
{
	void *new;

	for (unsigned i = 0; i < ld->note_n; i++) {
		const struct config_note *o = &ld->note[i];
		if (o->kind == kind && kind != CONFIG_PRINT && o->line == line &&
		    strncmp(o->text, text, sizeof(o->text) - 1) == 0)
			return;
	}
	if (ld->note_n >= CONFIG_NOTES_MAX)
		return;
	ld->note = list_add(ld->note, &ld->note_n, sizeof(*ld->note), &new);
	struct config_note *to = new;
	to->kind = kind;
	to->line = line;
	snprintf(to->text, sizeof(to->text), "%s", text);
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;
	return m < c ? m : c;
}

static char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Edits between two words without regard to case; at most WORD_MAX bytes of b count. */
static unsigned distance(const char *a, const char *b)
{
	size_t bn = strlen(b) < WORD_MAX ? strlen(b) : WORD_MAX;
	unsigned row[WORD_MAX + 1];

	for (size_t j = 0; j <= bn; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= bn; j++) {
			unsigned change = diagonal + (fold(a[i - 1]) != fold(b[j - 1]));
			diagonal = row[j];
			row[j] = min3(row[j] + 1, row[j - 1] + 1, change);
		}
	}
	return row[bn];
}

const char *closest(const char *word, const char *const *names, size_t n)
{
	unsigned best = (unsigned)strlen(word) / 3 + 1;
	const char *found = NULL;

	if (strlen(word) > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		unsigned d = distance(word, names[i]);
		if (d < best) {
			best = d;
			found = names[i];
		}
	}
	return found;
}

const char *show(lua_State *l, int index)
{
	switch (lua_type(l, index)) {
	case LUA_TSTRING:
	case LUA_TNUMBER:
		lua_pushvalue(l, index);
		return lua_tostring(l, -1);
	case LUA_TBOOLEAN:
		lua_pushstring(l, lua_toboolean(l, index) ? "true" : "false");
		return lua_tostring(l, -1);
	case LUA_TNONE:
		lua_pushstring(l, "nothing");
		return lua_tostring(l, -1);
	default:
		lua_pushstring(l, luaL_typename(l, index));
		return lua_tostring(l, -1);
	}
}

bool is_int(lua_State *l, int index, int64_t *out)
{
	double v;

	if (lua_type(l, index) == LUA_TSTRING) {
		const char *s = lua_tostring(l, index);
		size_t digits = strspn(s + (s[0] == '-'), "0123456789");
		if (digits == 0 || digits > 15 || s[digits + (s[0] == '-')] != '\0')
			return false;
	}
	if (!lua_isnumber(l, index))
		return false;
	v = lua_tonumber(l, index);
	if (!(v > -1e15 && v < 1e15) || v != (double)(int64_t)v)
		return false;
	*out = (int64_t)v;
	return true;
}

int64_t want_int(lua_State *l, int index, const char *what, int64_t min, int64_t max)
{
	int64_t v;

	if (!is_int(l, index, &v) || v < min || v > max)
		fail(l, "%s: '%s': expected a whole number from %lld to %lld", what,
		     show(l, index), (long long)min, (long long)max);
	return v;
}

bool want_bool(lua_State *l, int index, const char *what)
{
	if (lua_type(l, index) != LUA_TBOOLEAN)
		fail(l, "%s: '%s': expected true or false", what, show(l, index));
	return lua_toboolean(l, index) != 0;
}

const char *want_text(lua_State *l, int index, const char *what)
{
	size_t len;
	const char *s;

	if (lua_type(l, index) != LUA_TSTRING)
		fail(l, "%s: '%s': expected text", what, show(l, index));
	s = lua_tolstring(l, index, &len);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			fail(l, "%s: a control character: expected printable text", what);
	return s;
}
