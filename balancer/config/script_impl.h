/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of script.h share: script.c has the state and calls of policies and checks,
 * script_rule.c those of rules.
 */
#ifndef EK_CONFIG_SCRIPT_IMPL_H
#define EK_CONFIG_SCRIPT_IMPL_H

#include "internal.h"
#include "rule_word.h"
#include "script.h"

struct script {
	struct loader ld;              /* first: script_of finds the rest by it */
	lua_State *l;
	const struct config *config;
	struct drbg random;
	int run_check, run_pick, run_match, run_act; /* where the registry has what calls */
	int question_at;               /* and the one DNSQuestion */
	const void **object;           /* of each server, by its place */
	int *list;                     /* of servers, for each function; LUA_NOREF: none yet */
	unsigned function;             /* of the call at hand */
	struct cf_header *header;      /* the one of all calls; the registry's */
	struct bal_hook_probe probe;
	struct cf_question *question;  /* the one of all calls; the registry's */
	const struct bal_hook_query *query;
	uint16_t flags;
	const uint16_t *server;        /* to choose from, by place */
	unsigned server_n;
	int chosen;
	struct bal_hook_rule rule;     /* as the function at hand changes it */
	struct rule_word word;         /* what it returned */
	bool matches;
	uint64_t failures, told;
	int64_t told_ns;               /* INT64_MIN: never */
	char error[CONFIG_ERROR_TEXT];
};

static inline struct script *script_of(lua_State *l)
{
	return (struct script *)cf_loader(l);
}

/* Calls the C function that the registry has at runs. False: it failed, which is noted. */
bool script_call(struct script *s, int runs);
/* In such a function: pushes the Lua function of the call at hand. */
void script_push_function(lua_State *l);

/* script_rule.c: bal_hooks' match and act; what run_match and run_act are. */
int script_match(void *arg, unsigned function, struct bal_hook_rule *m);
bool script_act(void *arg, unsigned function, struct bal_hook_rule *m);
int script_run_match(lua_State *l);
int script_run_act(lua_State *l);

#endif
