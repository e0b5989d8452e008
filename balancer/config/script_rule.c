/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of rules' functions: LuaRule, LuaAction, LuaResponseAction; see script.h. */
#include "script_impl.h"

/* Pushes the function and its only argument. */
static void push_call(lua_State *l, bool writable)
{
	struct script *s = script_of(l);

	*s->header = (struct cf_header){ &s->rule.flags, s->rule.q.id, writable };
	s->question->query = &s->rule.q;
	s->question->rule = writable ? &s->rule : NULL;
	script_push_function(l);
	lua_rawgeti(l, LUA_REGISTRYINDEX, s->question_at);
}

int script_run_match(lua_State *l)
{
	push_call(l, false);
	lua_call(l, 1, 1);
	script_of(l)->matches = lua_toboolean(l, 1) != 0;
	return 0;
}

int script_run_act(lua_State *l)
{
	struct script *s = script_of(l);

	push_call(l, true);
	lua_call(l, 1, 2);
	rule_word_read(l, s->rule.answer, &s->word);
	return 0;
}

int script_match(void *arg, unsigned function, struct bal_hook_rule *m)
{
	struct script *s = arg;

	s->function = function;
	s->rule = *m;
	return script_call(s, s->run_match) ? (int)s->matches : BAL_HOOK_FAILED;
}

bool script_act(void *arg, unsigned function, struct bal_hook_rule *m)
{
	struct script *s = arg;

	s->function = function;
	s->rule = *m;
	if (!script_call(s, s->run_act))
		return false;
	*m = s->rule;
	m->action = s->word.action;
	m->address = s->word.address;
	m->data = s->word.data;
	return true;
}
