/* SPDX-License-Identifier: BSD-3-Clause */
/* plan_load: from a scenario file, its configuration files and the command line to a plan. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/config/config.h"
#include "check.h"
#include "lib/host/host.h"
#include "load.h"
#include "scenario.h"

struct scenario *scenario_of(lua_State *L)
{
	return (struct scenario *)luabox_of(L);
}

static void read_seed(lua_State *L)
{
	struct scenario *s = scenario_of(L);
	struct at w = { .key = "seed", .line = words_global_line(L, "seed") };

	s->plan->seed = 1;
	words_get(L, "seed");
	if (!lua_isnil(L, -1))
		s->plan->seed = (uint64_t)value_scaled(L, &w, 1, 0, INT64_C(1) << 53,
		                                       "a whole number");
	lua_pop(L, 1);
	if (s->options->seed != NULL)
		s->plan->seed = *s->options->seed;
	if (s->plan->seed > INT64_MAX)
		scenario_fail(L, NULL, "seed: expected a whole number 0...9223372036854775807");
}

static void read_engines(lua_State *L)
{
	static const char *const names[] = { "netns", "virtual" };
	struct plan *p = scenario_of(L)->plan;
	struct at w = { .key = "engines", .line = words_global_line(L, "engines") };

	words_get(L, "engines");
	p->for_netns = p->for_virtual = lua_isnil(L, -1);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		return;
	}
	value_table(L, &w, "a list of engines: { \"netns\", \"virtual\" }");
	if (lua_objlen(L, -1) == 0)
		scenario_fail(L, &w, "expected one engine at least: \"netns\", \"virtual\"");
	for (unsigned i = 1; i <= lua_objlen(L, -1); i++) {
		struct at here = { .outer = &w, .index = i };
		lua_rawgeti(L, -1, (int)i);
		if (value_word(L, &here, names, 2) == 0)
			p->for_netns = true;
		else
			p->for_virtual = true;
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

static void read_limits(lua_State *L)
{
	static const struct key keys[] = {
		{ .name = "send_late_p999", .kind = KEY_TIME, KEY_AT(plan_limits,
		                                                     send_late_p999_ns),
		  .lo = 1, .hi = INT64_C(60000000000) },
		{ .name = "send_late_max", .kind = KEY_TIME, KEY_AT(plan_limits, send_late_max_ns),
		  .lo = 1, .hi = INT64_C(60000000000) },
		{ .name = "loop_gap", .kind = KEY_TIME, KEY_AT(plan_limits, loop_gap_ns), .lo = 1,
		  .hi = INT64_C(60000000000) },
		{ .name = "slack", .kind = KEY_TIME, KEY_AT(plan_limits, slack_ns),
		  .hi = INT64_C(60000000000) },
	};
	struct plan *p = scenario_of(L)->plan;

	p->limits = (struct plan_limits){ .send_late_p999_ns = 1000000,
		.send_late_max_ns = 20000000, .loop_gap_ns = 50000000, .slack_ns = 20000000 };
	words_get(L, "limits");
	if (lua_istable(L, -1)) {
		struct at w = { .key = "limits", .word = "limits",
		                .line = words_line(L, lua_gettop(L)) };
		keys_read(L, &w, keys, COUNT_OF(keys), &p->limits, false);
	}
	lua_pop(L, 1);
}

/* Lua's message with our path in the place of its short one. */
static void tell(struct scenario *s, const char *message)
{
	static const char chunk[] = "scenario:";

	if (s->error[0] != '\0')
		return;
	if (message == NULL)
		message = "scenario: an error that isn't a text";
	if (strncmp(message, chunk, strlen(chunk)) == 0)
		snprintf(s->error, PLAN_ERROR_TEXT, "%.400s:%s", s->path, message + strlen(chunk));
	else
		snprintf(s->error, PLAN_ERROR_TEXT, "%.400s: %s", s->path, message);
	for (char *p = s->error; *p != '\0'; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
}

/* Everything that Lua may interrupt. */
static int evaluate(lua_State *L)
{
	struct scenario *s = scenario_of(L);

	lua_settop(L, 0);
	if (luaL_loadbuffer(L, s->text, s->text_len, "@scenario") != 0)
		lua_error(L);
	lua_call(L, 0, 0);
	words_settled(L);
	for (size_t i = 0; s->options->set != NULL && s->options->set[i] != NULL; i++)
		set_apply(L, s->options->set[i]);
	read_seed(L);
	read_engines(L);
	read_limits(L);
	lab_read(L);
	confs_read(L);
	lab_check(L);
	authorities_add(L);
	loads_read(L);
	faults_read(L);
	expects_read(L);
	return 0;
}

static int run(struct scenario *s)
{
	lua_State *L = luabox_open(&s->box, words_open);

	if (L == NULL) {
		tell(s, "LuaJIT has no memory, or takes no allocator on this machine");
		return -ENOMEM;
	}
	int e = lua_cpcall(L, evaluate, NULL);
	if (e != 0)
		tell(s, lua_tostring(L, -1));
	lua_close(L);
	config_free(s->config);
	return e != 0 ? -EINVAL : 0;
}

static int read_text(struct scenario *s)
{
	int e = host_read_file(s->path, SCENARIO_FILE_MAX, &s->text, &s->text_len);

	if (e < 0) {
		snprintf(s->error, PLAN_ERROR_TEXT, "%.400s: %s", s->path, strerror(-e));
		return e;
	}
	if (luabox_is_text(s->text, s->text_len))
		return 0;
	snprintf(s->error, PLAN_ERROR_TEXT, "%.400s: compiled Lua, or a NUL or escape "
	         "character: expected text", s->path);
	return -EINVAL;
}

/* The scenario's name and absolute path. */
static int name_plan(struct scenario *s)
{
	struct plan *p = s->plan;
	const char *slash = strrchr(s->path, '/'), *base = slash != NULL ? slash + 1 : s->path;
	size_t n = strlen(base);

	if (n > 4 && strcmp(base + n - 4, ".lua") == 0)
		n -= 4;
	p->scenario_path = realpath(s->path, NULL);
	json_t *utf8 = p->scenario_path != NULL ? json_string(p->scenario_path) : NULL;
	json_decref(utf8);
	if (utf8 == NULL || n == 0 || n >= sizeof(p->name)) {
		snprintf(s->error, PLAN_ERROR_TEXT, "%.400s: expected a file name in UTF-8 of at "
		         "most "
		         "%zu bytes", s->path, sizeof(p->name) - 1);
		return -EINVAL;
	}
	memcpy(p->name, base, n);
	return 0;
}

static int probe_programs(struct scenario *s)
{
	struct plan *p = s->plan;
	int e = 0;

	p->balancer.checks = PLAN_CHECKS_EXACT;
	if (s->options->balancer != NULL)
		e = program_probe(&p->balancer, s->options->balancer, true, s->error);
	if (e == 0 && s->options->recursor != NULL)
		e = program_probe(&p->recursor, s->options->recursor, false, s->error);
	return e;
}

/* The first error among the notes, as the reason to refuse the plan. */
static int refuse(struct scenario *s)
{
	for (unsigned i = 0; i < s->lint->note_n; i++) {
		const struct lint_note *n = &s->lint->note[i];
		if (!n->error)
			continue;
		snprintf(s->error, PLAN_ERROR_TEXT, "%.400s:%u: %s", n->file[0] != '\0' ? n->file
		         : s->path, n->line, n->text);
		return -EINVAL;
	}
	return 0;
}

struct plan *plan_load_noted(const char *path, const struct plan_options *o, struct lint *lint,
                             char error[PLAN_ERROR_TEXT])
{
	static const struct plan_options nothing;
	struct scenario s = { .box = { .what = "the scenario", .memory_max = SCENARIO_MEMORY_MAX,
	                               .steps_max = SCENARIO_STEPS_MAX },
	                      .path = path, .options = o != NULL ? o : &nothing, .error = error,
	                      .lint = lint };

	error[0] = '\0';
	*lint = (struct lint){ 0 };
	s.plan = calloc(1, sizeof(*s.plan));
	MUST(s.plan != NULL);
	int e = read_text(&s);
	if (e == 0)
		e = name_plan(&s);
	if (e == 0)
		e = probe_programs(&s);
	if (e == 0)
		e = run(&s);
	if (e == 0)
		e = plan_check(s.plan, error);
	if (e == 0) {
		lint_plan(lint, s.plan);
		e = refuse(&s);
	}
	free(s.text);
	if (e == 0)
		return s.plan;
	plan_free(s.plan);
	return NULL;
}

struct plan *plan_load(const char *path, const struct plan_options *o, char error[PLAN_ERROR_TEXT])
{
	struct lint *lint = malloc(sizeof(*lint));

	MUST(lint != NULL);
	struct plan *p = plan_load_noted(path, o, lint, error);
	free(lint);
	return p;
}
