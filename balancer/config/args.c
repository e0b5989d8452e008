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

/* The innermost Lua function that is being run. False: there is none. */
static bool where(lua_State *l, lua_Debug *ar)
{
	for (int level = 0; lua_getstack(l, level, ar); level++)
		if (lua_getinfo(l, "Sl", ar) && ar->currentline > 0)
			return true;
	return false;
}

unsigned cf_line(lua_State *l)
{
	lua_Debug ar;

	return where(l, &ar) ? (unsigned)ar.currentline : 0;
}

/* Texts are known to Lua as config, config#1, config#2... */
unsigned cf_source(lua_State *l)
{
	lua_Debug ar;
	const char *mark = where(l, &ar) ? strchr(ar.short_src, '#') : NULL;

	return mark != NULL ? (unsigned)strtoul(mark + 1, NULL, 10) : 0;
}

_Noreturn void cf_fail(lua_State *l, const char *fmt, ...)
{
	char text[CONFIG_ERROR_TEXT / 2];
	lua_Debug ar;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (where(l, &ar))
		lua_pushfstring(l, "%s:%d: %s", ar.short_src, ar.currentline, text);
	else
		lua_pushfstring(l, "config: %s", text);
	lua_error(l);
	abort();
}

void *cf_list_add(void *list, unsigned *n, size_t size, void **out_new)
{
	if ((*n & (*n - 1)) == 0) {
		list = realloc(list, size * (*n > 0 ? 2 * (size_t)*n : 1));
		MUST(list != NULL);
	}
	*out_new = (char *)list + size * (*n)++;
	memset(*out_new, 0, size);
	return list;
}

void cf_note(struct loader *ld, enum config_note_kind kind, unsigned line, const char *text)
{
	unsigned source = ld->l != NULL ? cf_source(ld->l) : 0;
	void *new;

	if (ld->calling)
		return; /* what a function says for each query is for nobody */
	for (unsigned i = 0; i < ld->note_n; i++) {
		const struct config_note *o = &ld->note[i];
		if (o->kind == kind && kind != CONFIG_PRINT && o->line == line &&
		    o->source == source &&
		    strncmp(o->text, text, sizeof(o->text) - 1) == 0)
			return;
	}
	if (ld->note_n >= CONFIG_NOTES_MAX)
		return;
	ld->note = cf_list_add(ld->note, &ld->note_n, sizeof(*ld->note), &new);
	struct config_note *to = new;
	to->kind = kind;
	to->line = line;
	to->source = source;
	snprintf(to->text, sizeof(to->text), "%s", text);
}

const char *cf_show(lua_State *l, int index)
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

bool cf_is_int(lua_State *l, int index, int64_t *out)
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

int64_t cf_want_int(lua_State *l, int index, const char *what, int64_t min, int64_t max)
{
	int64_t v;

	if (!cf_is_int(l, index, &v) || v < min || v > max)
		cf_fail(l, "%s: '%s': expected a whole number from %lld to %lld", what,
		        cf_show(l, index), (long long)min, (long long)max);
	return v;
}

uint32_t cf_want_factor(lua_State *l, int index, const char *what)
{
	double v = lua_isnumber(l, index) ? lua_tonumber(l, index) : -1;

	if (!(v == 0 || (v >= 1 && v <= 1000)))
		cf_fail(l, "%s: '%s': expected a number from 1 to 1000, or 0 for no bound", what,
		        cf_show(l, index));
	return (uint32_t)(v * 1e6 + 0.5);
}

bool cf_want_bool(lua_State *l, int index, const char *what)
{
	if (lua_type(l, index) != LUA_TBOOLEAN)
		cf_fail(l, "%s: '%s': expected true or false", what, cf_show(l, index));
	return lua_toboolean(l, index) != 0;
}

const char *cf_want_text(lua_State *l, int index, const char *what)
{
	size_t len;
	const char *s;

	if (lua_type(l, index) != LUA_TSTRING)
		cf_fail(l, "%s: '%s': expected text", what, cf_show(l, index));
	s = lua_tolstring(l, index, &len);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			cf_fail(l, "%s: a control character: expected printable text", what);
	return s;
}

/* The first key by its bytes that known doesn't know and that comes behind last; NULL: none. */
static const char *next_unread(lua_State *l, int index, const char *function, const char *example,
                               bool (*known)(const char *name), const char *last)
{
	const char *first = NULL;

	for (lua_pushnil(l); lua_next(l, index) != 0; lua_pop(l, 1)) {
		if (lua_type(l, -2) != LUA_TSTRING)
			cf_fail(l, "%s: expected every value to have a name, as in %s", function,
			        example);
		const char *name = lua_tostring(l, -2);
		if (!known(name) && strcmp(name, last) > 0 &&
		    (first == NULL || strcmp(name, first) < 0))
			first = name;
	}
	return first;
}

void cf_judge_unread(lua_State *l, int index, const char *function, const char *example,
                     bool (*known)(const char *name),
                     void (*judge)(lua_State *l, const char *name))
{
	const char *name = "";

	while ((name = next_unread(l, index, function, example, known, name)) != NULL)
		judge(l, name);
}
