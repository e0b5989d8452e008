/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checked reading of a scenario's values. Whatever is wrong is told with file, line, path, the
 * value and what was expected; where --set put the value, it is named instead of the line.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

void *list_grow(void *list, unsigned *n, size_t size)
{
	char *p = realloc(list, (*n + 1) * size);

	MUST(p != NULL);
	memset(p + *n * size, 0, size);
	*n += 1;
	return p;
}

static size_t print_path(const struct at *w, char *out, size_t cap)
{
	size_t n = w->outer != NULL ? print_path(w->outer, out, cap) : 0;
	int more = w->key == NULL ? snprintf(out + n, cap - n, "[%u]", w->index)
	                          : snprintf(out + n, cap - n, n > 0 ? ".%s" : "%s", w->key);

	n += (size_t)more;
	return n < cap ? n : cap - 1;
}

/* True when path is that of a --set, whose numbers (load.2.rate) a path here doesn't have. */
static bool same_path(const char *set, const char *path)
{
	for (; *set != '=' && *set != '\0'; set++) {
		size_t digits = *set == '.' ? strspn(set + 1, "0123456789") : 0;
		if (digits > 0 && *path != '[') {
			set += digits;
			continue;
		}
		if (*set != *path++)
			return false;
	}
	return *path == '\0';
}

/* The --set that made the value at path: the last of its path. */
static const char *set_by(const struct scenario *s, const char *path)
{
	const char *found = NULL;

	for (size_t i = 0; s->options->set != NULL && s->options->set[i] != NULL; i++)
		if (same_path(s->options->set[i], path))
			found = s->options->set[i];
	return found;
}

void scenario_fail(lua_State *L, const struct at *w, const char *format, ...)
{
	struct scenario *s = scenario_of(L);
	char path[256] = "", what[PLAN_ERROR_TEXT / 2];
	va_list ap;

	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	if (w != NULL)
		print_path(w, path, sizeof(path));
	const char *set = w != NULL ? set_by(s, path) : NULL;
	unsigned line = w != NULL && set == NULL ? locate(s->text, s->text_len, w) : 0;
	if (set != NULL)
		snprintf(s->error, PLAN_ERROR_TEXT, "--set %.200s: %s", set, what);
	else if (line > 0)
		snprintf(s->error, PLAN_ERROR_TEXT, "%.200s:%u: %s: %s", s->path, line, path, what);
	else
		snprintf(s->error, PLAN_ERROR_TEXT, "%.200s: %s%s%s", s->path, path,
		         path[0] != '\0' ? ": " : "", what);
	lua_pushnil(L);
	lua_error(L);
	abort();
}

/* The value on top as it may be printed: short, without control characters. */
static void show_value(lua_State *L, char out[64])
{
	size_t n = 0;

	if (lua_isnil(L, -1) || lua_istable(L, -1) || lua_isfunction(L, -1)) {
		snprintf(out, 64, "%s", lua_isnil(L, -1) ? "nothing" : lua_istable(L, -1)
		         ? "a table" : "a function");
		return;
	}
	if (lua_isboolean(L, -1)) {
		snprintf(out, 64, "%s", lua_toboolean(L, -1) ? "true" : "false");
		return;
	}
	lua_pushvalue(L, -1);
	const char *text = lua_tostring(L, -1);
	bool quote = lua_type(L, -2) == LUA_TSTRING;
	if (quote)
		out[n++] = '\'';
	for (; text != NULL && *text != '\0' && n < 56; text++)
		out[n++] = *text >= ' ' && *text <= '~' ? *text : '?';
	if (quote)
		out[n++] = '\'';
	out[n] = '\0';
	lua_pop(L, 1);
}

void value_fail(lua_State *L, const struct at *w, const char *expected)
{
	char value[64];

	show_value(L, value);
	scenario_fail(L, w, "%s: expected %s", value, expected);
}

const char *value_text(lua_State *L, const struct at *w, const char *expected)
{
	size_t len;

	if (lua_type(L, -1) != LUA_TSTRING)
		value_fail(L, w, expected);
	const char *text = lua_tolstring(L, -1, &len);
	if (len == 0 || len >= 4096 || strlen(text) != len)
		value_fail(L, w, expected);
	return text;
}

void value_table(lua_State *L, const struct at *w, const char *expected)
{
	if (!lua_istable(L, -1))
		value_fail(L, w, expected);
}

static int64_t unit_ns(const char *unit)
{
	static const struct { const char *name; int64_t ns; } units[] = {
		{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 },
		{ "min", 60000000000 }, { "h", 3600000000000 }, { "d", 86400000000000 },
	};

	for (size_t i = 0; i < COUNT_OF(units); i++)
		if (strcmp(units[i].name, unit) == 0)
			return units[i].ns;
	return 0;
}

int64_t value_parse_time(const char *text)
{
	size_t whole = strspn(text, "0123456789"), frac = 0;
	const char *unit = text + whole;
	int64_t n = 0;

	if (*unit == '.') {
		frac = strspn(unit + 1, "0123456789");
		unit += 1 + frac;
		if (frac == 0)
			return -1;
	}
	int64_t ns = unit_ns(unit);
#ifndef EK_PLANT
	if (ns == 0)
		return -1;
#endif
	if (whole == 0 || whole + frac > 15)
		return -1;
	for (const char *p = text; p < unit; p++)
		if (*p != '.')
			n = n * 10 + (*p - '0');
	int64_t scale = 1;
	for (size_t i = 0; i < frac; i++) /* 15 digits at most */
		scale *= 10;
	if (ns % scale != 0 || n > PLAN_TIME_MAX_NS / (ns / scale))
		return -1;
	return n * (ns / scale);
}

void value_print_time(char *out, size_t cap, int64_t ns)
{
	static const struct { const char *name; int64_t ns; } units[] = {
		{ "d", 86400000000000 }, { "h", 3600000000000 }, { "s", 1000000000 },
		{ "ms", 1000000 }, { "us", 1000 }, { "ns", 1 },
	};
	size_t i = 0;

	while (i < COUNT_OF(units) - 1 && (ns < units[i].ns || ns % units[i].ns != 0))
		i++;
	snprintf(out, cap, "%lld%s", (long long)(ns / units[i].ns), ns == 0 ? "s" : units[i].name);
}

int64_t value_time(lua_State *L, const struct at *w, int64_t lo, int64_t hi)
{
	char expected[128], from[32], to[32];
	int64_t ns = lua_type(L, -1) == LUA_TSTRING ? value_parse_time(lua_tostring(L, -1)) : -1;

	if (ns >= lo && ns <= hi)
		return ns;
	value_print_time(from, sizeof(from), lo);
	value_print_time(to, sizeof(to), hi);
	snprintf(expected, sizeof(expected), "a time %s...%s with its unit, such as \"20ms\"", from,
	         to);
	value_fail(L, w, expected);
}

int64_t value_scaled(lua_State *L, const struct at *w, int64_t scale, int64_t lo, int64_t hi,
                     const char *expected)
{
	char range[160];
	double v = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) * (double)scale : NAN;

	double whole = floor(v + 0.5);
	if (whole >= (double)lo && whole <= (double)hi && fabs(v - whole) < 1e-3)
		return (int64_t)whole;
	snprintf(range, sizeof(range), "%s %.12g...%.12g", expected, (double)lo / (double)scale,
	         (double)hi / (double)scale);
	value_fail(L, w, range);
}

int value_word(lua_State *L, const struct at *w, const char *const *words, int n)
{
	char expected[256];
	size_t k = 0;
	const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";

	for (int i = 0; i < n; i++)
		if (words[i] != NULL && strcmp(words[i], text) == 0)
			return i;
	expected[0] = '\0';
	for (int i = 0; i < n && k < sizeof(expected) - 40; i++)
		if (words[i] != NULL)
			k += (size_t)snprintf(expected + k, sizeof(expected) - k, "%s\"%s\"",
			                      k > 0 ? ", " : "one of ", words[i]);
	value_fail(L, w, expected);
}

bool value_field(lua_State *L, const char *key)
{
	lua_pushstring(L, key);
	lua_rawget(L, -2);
	if (!lua_isnil(L, -1))
		return true;
	lua_pop(L, 1);
	return false;
}

static void store(const struct key *k, void *out, int64_t v)
{
	uint32_t v32 = (uint32_t)v;
	uint16_t v16 = (uint16_t)v;
	const void *from = k->size == 8 ? (const void *)&v : k->size == 4 ? (const void *)&v32
		: &v16;

	MUST(k->size == 8 || k->size == 4 || k->size == 2);
	memcpy((char *)out + k->at, from, k->size);
}

static bool is_word(lua_State *L, const char *word)
{
	return lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), word) == 0;
}

static void read_chance(lua_State *L, const struct at *w, const struct key *k, void *out)
{
	double v = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;

	if (!(v >= 1e-15 && v <= 0.5))
		value_fail(L, w, "a probability 1e-15...0.5");
	memcpy((char *)out + k->at, &v, sizeof(v));
}

static void read_key(lua_State *L, const struct at *w, const struct key *k, void *out)
{
	switch (k->kind) {
	case KEY_TIME_MODEL:
		if (is_word(L, "model")) {
			store(k, out, PLAN_MODEL);
			break;
		}
		store(k, out, value_time(L, w, k->lo, k->hi));
		break;
	case KEY_TIME:
		store(k, out, value_time(L, w, k->lo, k->hi));
		break;
	case KEY_COUNT_MODEL: case KEY_COUNT_ANY:
		if (is_word(L, k->kind == KEY_COUNT_ANY ? "any" : "model")) {
			store(k, out, k->kind == KEY_COUNT_ANY ? -1 : PLAN_MODEL);
			break;
		}
		store(k, out, value_scaled(L, w, 1, k->lo, k->hi, k->kind == KEY_COUNT_ANY
		                           ? "\"any\" or a whole number"
		                           : "\"model\" or a whole number"));
		break;
	case KEY_COUNT:
		store(k, out, value_scaled(L, w, 1, k->lo, k->hi, "a whole number"));
		break;
	case KEY_RATIO:
		store(k, out, value_scaled(L, w, 1000000, k->lo, k->hi, "a share"));
		break;
	case KEY_RATE:
		store(k, out, value_scaled(L, w, 1000, k->lo, k->hi, "queries a second"));
		break;
	case KEY_WORD:
		store(k, out, value_word(L, w, k->words, k->word_n));
		break;
	case KEY_CHANCE:
		read_chance(L, w, k, out);
		break;
	case KEY_OTHER:
		break;
	}
}

static void unknown_key(lua_State *L, const struct at *w, const char *name, const struct key *keys,
                        unsigned n)
{
	const char *names[32];
	char known[300] = "";
	size_t len = 0;

	MUST(n <= COUNT_OF(names));
	for (unsigned i = 0; i < n; i++) {
		names[i] = keys[i].name;
		if (len < sizeof(known) - 32 && keys[i].name[0] != '\0')
			len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s",
			                        len > 0 ? ", " : "", keys[i].name);
	}
	const char *meant = closest(name, names, n);
	struct at here = { .outer = w, .key = name };
	scenario_fail(L, &here, "no such key: %s%s%sexpected one of %s",
	              meant != NULL ? "did you mean '" : "", meant != NULL ? meant : "",
	              meant != NULL ? "'? " : "", known);
}

void keys_take(lua_State *L, const struct at *w, const struct key *keys, unsigned n, void *out)
{
	for (unsigned k = 0; k < n; k++) {
		struct at here = { .outer = w, .key = keys[k].name };
		if (value_field(L, keys[k].name)) {
			read_key(L, &here, &keys[k], out);
			lua_pop(L, 1);
		} else if (keys[k].required) {
			scenario_fail(L, w, "no '%s': expected %s = ...", keys[k].name,
			              keys[k].name);
		}
	}
}

void keys_read(lua_State *L, const struct at *w, const struct key *keys, unsigned n, void *out,
               bool positional)
{
	luabox_sorted_keys(L, -1);
	for (int i = 1; lua_rawgeti(L, -1, i), !lua_isnil(L, -1); i++) {
		bool known = lua_type(L, -1) == LUA_TNUMBER && positional;
		for (unsigned k = 0; !known && k < n; k++)
			known = is_word(L, keys[k].name);
		lua_pushvalue(L, -1);
		if (!known)
			unknown_key(L, w, lua_tostring(L, -1), keys, n);
		lua_pop(L, 2);
	}
	lua_pop(L, 2);
	keys_take(L, w, keys, n, out);
}

void value_dist(lua_State *L, const struct at *w, struct dist_spec *d)
{
	static const char *const args[][2] = {
		[DIST_UNIFORM] = { "low", "high" }, [DIST_EXPONENTIAL] = { "mean", NULL },
		[DIST_LOGNORMAL] = { "median", "q84" },
	};
	const char *make = NULL;
	int kind = DIST_CONSTANT;

	if (lua_istable(L, -1) && value_field(L, "make")) {
		make = lua_tostring(L, -1);
		lua_pop(L, 1);
		for (kind = DIST_UNIFORM; kind <= DIST_LOGNORMAL; kind++)
			if (make != NULL && strcmp(plan_dist_names[kind], make) == 0)
				break;
	}
	if ((make == NULL && lua_type(L, -1) != LUA_TSTRING) || kind > DIST_LOGNORMAL)
		value_fail(L, w, "a time such as \"20ms\", uniform(\"10ms\", \"30ms\"), "
		           "exponential(\"20ms\") or lognormal(\"20ms\", \"40ms\")");
	*d = (struct dist_spec){ .kind = (enum dist_kind)kind };
	if (make == NULL) {
		d->a_ns = value_time(L, w, 0, INT64_C(3600000000000));
		return;
	}
	for (int i = 0; i < 2 && args[kind][i] != NULL; i++) {
		struct at here = { .outer = w, .key = args[kind][i] };
		if (!value_field(L, args[kind][i]))
			lua_pushnil(L);
		*(i == 0 ? &d->a_ns : &d->b_ns) = value_time(L, &here, kind == DIST_LOGNORMAL,
		                                            INT64_C(3600000000000));
		lua_pop(L, 1);
	}
	if (kind == DIST_UNIFORM && d->b_ns < d->a_ns)
		scenario_fail(L, w, "uniform: expected the lower time first");
	if (kind == DIST_LOGNORMAL && d->b_ns <= d->a_ns)
		scenario_fail(L, w, "lognormal: expected a second time (the 84 %% quantile) above "
		              "the "
		              "first (the median)");
}

int value_node(lua_State *L, const struct at *w, unsigned roles)
{
	const struct plan *p = scenario_of(L)->plan;
	const char *names[PLAN_NODES_MAX], *name = value_text(L, w, "the name of a node");
	char list[200] = "";
	size_t n = 0, len = 0;
	int node = plan_find_node(p, name);

	if (node != PLAN_NONE && (roles >> p->node[node].role & 1))
		return node;
	for (unsigned i = 0; i < p->node_n; i++)
		if (roles >> p->node[i].role & 1) {
			names[n++] = p->node[i].name;
			if (len < sizeof(list) - PLAN_NAME_TEXT - 2)
				len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
				                        len > 0 ? ", " : "", p->node[i].name);
		}
	const char *meant = closest(name, names, n);
	scenario_fail(L, w, "no %s '%.64s': %s%s%sexpected one of %s",
	              roles == 1u << PLAN_RECURSOR ? "recursor" : "such node", name,
	              meant != NULL ? "did you mean '" : "", meant != NULL ? meant : "",
	              meant != NULL ? "'? " : "", list);
}

char *value_file(lua_State *L, const struct at *w)
{
	const struct scenario *s = scenario_of(L);
	const char *name = value_text(L, w, "the name of a file");
	const char *slash = strrchr(s->path, '/');
	char joined[PATH_MAX];
	int n = snprintf(joined, sizeof(joined), "%.*s%s", name[0] == '/' || slash == NULL ? 0
	                 : (int)(slash + 1 - s->path), s->path, name);
	char *real = n < (int)sizeof(joined) ? realpath(joined, NULL) : NULL;

	if (real == NULL)
		scenario_fail(L, w, "'%.200s': %s", joined, strerror(errno));
	json_t *utf8 = json_string(real);
	bool good = utf8 != NULL;
	json_decref(utf8);
	if (good)
		return real;
	free(real);
	scenario_fail(L, w, "expected a path in UTF-8");
}
