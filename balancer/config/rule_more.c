/* SPDX-License-Identifier: BSD-3-Clause */
/* More actions: those that have tags or records of their own; see rule_action.c. */
#include <stdio.h>

#include "rule.h"

/* SetTagAction(name, value) and its like. Upvalues: response, its name. */
static int tag_action(lua_State *l)
{
	const char *what = lua_tostring(l, lua_upvalueindex(2));
	struct bal_action a = { .kind = BAL_ACT_TAG };

	(void)cf_want_text(l, 2, what);
	a.arg = rule_tag_add(l, 1, what);
	struct rule_act *to = rule_act_new(l, a, lua_toboolean(l, lua_upvalueindex(1)));
	snprintf(to->text, sizeof(to->text), "set tag '%s' to value '%s'", lua_tostring(l, 1),
	         lua_tostring(l, 2));
	return 1;
}

void rule_more_register(lua_State *l)
{
	static const struct { const char *name; lua_CFunction run; bool response; } all[] = {
		{ "SetTagAction", tag_action, false }, { "TagAction", tag_action, false },
		{ "SetTagResponseAction", tag_action, true },
		{ "TagResponseAction", tag_action, true },
	};

	for (size_t i = 0; i < COUNT_OF(all); i++) {
		lua_pushboolean(l, all[i].response);
		lua_pushstring(l, all[i].name);
		lua_pushcclosure(l, all[i].run, 2);
		lua_setglobal(l, all[i].name);
	}
}
