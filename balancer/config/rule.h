/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules while a configuration is evaluated: selectors as trees, sets of names and networks, actions
 * and chains of both, in lists of the loader; rule_build.c compiles them at the end. For the files
 * rule_*.c alone.
 */
#ifndef EK_CONFIG_RULE_H
#define EK_CONFIG_RULE_H

#include "internal.h"

enum {
	RULE_TEXT = 256,        /* of a selector or an action, NUL included; cut there */
	RULE_DEPTH = 64,        /* of selectors in selectors */
	RULE_SETS_MAX = 4096,
	RULE_NAMES_MAX = 16 << 20, /* bytes of one set's names: some 800,000 */
	RULE_BYTES_MAX = 256 << 20, /* of all sets of names and automatons */
	RULE_DATA_MAX = 16 << 20, /* bytes of all tags and records' data */
};

/* Selectors that are made of others, beside the tests that there are. */
enum { SELECT_AND = 100, SELECT_OR, SELECT_NOT };

struct rule_node {
	uint8_t kind;           /* enum bal_test_kind, or one of these */
	uint8_t depth;
	uint64_t arg;
	unsigned child, child_n;/* in rule_list.child */
	char text[RULE_TEXT];
};

struct rule_names {
	unsigned n;
	size_t len, cap;
	uint8_t *bytes;         /* as in struct bal_nameset */
	bool suffixes;
};

struct rule_net {
	struct prefix prefix;
	bool in;
};

struct rule_nets {
	unsigned n;
	struct rule_net *net;
};

struct rule_act {
	struct bal_action action;
	bool response;          /* for addResponseAction and its like */
	char text[RULE_TEXT];
};

struct rule_item {
	unsigned node, act;
	struct bal_rule_text text;
};

struct rule_list {
	unsigned node_n, child_n, names_n, nets_n, regex_n, limit_n, range_n, address_n, log_n,
	         act_n;
	struct rule_node *node;
	unsigned *child;
	struct rule_names *names;
	struct rule_nets *nets;
	struct bal_regex *regex;
	struct bal_limit *limit;
	struct bal_range *range;
	struct ip *address;
	struct bal_log *log;
	struct rule_names data; /* bytes alone: tags, and data of records */
	struct rule_act *act;
	unsigned item_n[BAL_CHAINS];
	struct rule_item *item[BAL_CHAINS];
	unsigned made;          /* rules ever: for their UUIDs */
	size_t bytes;           /* of RULE_BYTES_MAX */
};

/* rule_list.c */
struct rule_list *rule_list_of(lua_State *l);
/* So many more bytes of sets and automatons; too many end the evaluation. */
void rule_take_bytes(lua_State *l, size_t n, const char *what);
/* Pushes the userdata of a class that stands for number i. */
void rule_push(lua_State *l, const char *meta, unsigned i);
/* The number; -1: the value is none of that class. */
int rule_at(lua_State *l, int index, const char *meta);
extern const char rule_node_meta[], rule_act_meta[], rule_names_meta[], rule_nets_meta[];

/* rule_data.c: adds to rule_list.data; returns where it is. what: for messages. */
uint32_t rule_data_add(lua_State *l, const void *p, size_t n, const char *what);
/* The tag of the name at index and, unless there is none, the value behind it. */
uint32_t rule_tag_add(lua_State *l, int index, const char *what);

/* rule_set.c */
unsigned rule_names_new(lua_State *l, bool suffixes);
unsigned rule_nets_new(lua_State *l);
/* Adds the name at index, or those of a table, or a set's. what: for messages. */
void rule_names_add(lua_State *l, unsigned set, int index, const char *what);
/* False: it isn't a network. */
bool rule_nets_add_text(lua_State *l, unsigned set, const char *text);
void rule_nets_add(lua_State *l, unsigned set, int index, const char *what);
/* Says what is in it, at most size bytes. */
void rule_names_say(const struct rule_names *s, char *out, size_t size);
void rule_nets_say(const struct rule_nets *s, char *out, size_t size);
void rule_set_register(lua_State *l);

/* rule_select.c */
/* The selector at index, made of a name, a network or a list of these where it is none yet. */
unsigned rule_want_selector(lua_State *l, int index, const char *what);
/* A new selector, pushed, and its text. */
struct rule_node *rule_node_new(lua_State *l, unsigned kind, uint64_t arg);
void rule_say(struct rule_node *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* rule_test.c: selectors that look into messages. */
void rule_test_register(lua_State *l);
void rule_select_register(lua_State *l);

/* rule_action.c */
unsigned rule_want_action(lua_State *l, int index, bool response, const char *what);
void rule_action_register(lua_State *l);
unsigned rule_limit_new(lua_State *l, struct bal_limit limit);
/* A new action, pushed. Its text is the caller's to write, at once. */
struct rule_act *rule_act_new(lua_State *l, struct bal_action action, bool response);
/* The options of an answer at index, if there are any: {aa=, ad=, ra=, ttl=}. */
void rule_want_answer(lua_State *l, int index, const char *what, struct bal_action *a);
/* rule_more.c: actions that need data or tags. */
void rule_more_register(lua_State *l);

/* rule_chain.c */
void rule_chain_register(lua_State *l);

#endif
