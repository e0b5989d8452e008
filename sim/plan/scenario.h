/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files that read scenarios share. A scenario is run once in a sandbox (luabox), where
 * its words (words.c) only collect tables; --set changes these (set.c); then they are read into a
 * plan (lab.c, loads.c, faults.c, expects.c) with the checked readers of value.c. All of that runs
 * inside one protected call: an error leaves through scenario_fail, and nothing here may hold
 * memory across a call but in struct scenario.
 */
#ifndef EK_PLAN_SCENARIO_H
#define EK_PLAN_SCENARIO_H

#include "lib/host/closest.h"
#include "lib/host/luabox.h"
#include "lint.h"
#include "plan_io.h"
#include "schema.h"

enum {
	SCENARIO_FILE_MAX = 1 << 20,       /* bytes */
	SCENARIO_MEMORY_MAX = 64 << 20,
	SCENARIO_STEPS_MAX = 20000000,     /* of Lua's machine */
};

struct scenario {
	struct luabox box;                 /* first: scenario_of finds the rest by it */
	const char *path;                  /* as given, for messages */
	char *text;
	size_t text_len;
	const struct plan_options *options;
	char *error;                       /* PLAN_ERROR_TEXT bytes */
	struct plan *plan;
	struct lint *lint;
	struct config *config;             /* while confs.c has one in its hands */
};

/*
 * Where a value stands: "load.names.n", the innermost step first. The outermost has the line of its
 * block and the word that opened it.
 */
struct at {
	const struct at *outer;
	const char *key;                   /* NULL: index */
	unsigned index;                    /* from 1 */
	unsigned line;                     /* outermost only */
	const char *word;                  /* outermost only: as written in the file */
};

/* load.c: the scenario of a state. */
struct scenario *scenario_of(lua_State *L);

/* words.c: the words of the language, and the document that they collect. */
int words_open(lua_State *L);
/* Pushes what a word collected: lab, limits: a table or nil; load, at, expect: a list. */
void words_get(lua_State *L, const char *word);
/* Makes what a word collects an empty table. */
void words_make(lua_State *L, const char *word);
/* The line of the call that made the table at index; 0: not known. */
unsigned words_line(lua_State *L, int index);
/* Fails when an at "..." has no fault. */
void words_settled(lua_State *L);
/* The line on which the global seed or engines was set. */
unsigned words_global_line(lua_State *L, const char *name);
/* locate.c: the line of the value at w, as exactly as the text tells. */
unsigned locate(const char *text, size_t len, const struct at *w);

/* set.c */
void set_apply(lua_State *L, const char *path_and_value);

/* value.c. The value read is on top of the stack and stays there. */

/* Raises "FILE:LINE: PATH: ...". w may be NULL: the file as a whole. */
_Noreturn void scenario_fail(lua_State *L, const struct at *w, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for a value: "PATH: VALUE: expected WHAT". */
_Noreturn void value_fail(lua_State *L, const struct at *w, const char *expected);
const char *value_text(lua_State *L, const struct at *w, const char *expected);
int64_t value_time(lua_State *L, const struct at *w, int64_t lo, int64_t hi);
/* A time such as "1.5s" in ns, or -1. Exact: no fraction of a ns is rounded away. */
int64_t value_parse_time(const char *text);
/* The other way: "1500ms", in the greatest unit that says it exactly. */
void value_print_time(char *out, size_t cap, int64_t ns);
/* number * scale as a whole number in lo...hi (scaled). */
int64_t value_scaled(lua_State *L, const struct at *w, int64_t scale, int64_t lo, int64_t hi,
                     const char *expected);
int value_word(lua_State *L, const struct at *w, const char *const *words, int n);
/* Fails unless the value is a table. */
void value_table(lua_State *L, const struct at *w, const char *expected);

enum key_kind {
	KEY_TIME = 1,    /* int64_t ns, lo...hi */
	KEY_TIME_MODEL,  /* or "model" */
	KEY_COUNT,       /* whole number of size bytes */
	KEY_COUNT_MODEL, /* int64_t, or "model" */
	KEY_COUNT_ANY,   /* int64_t, or "any" for -1 */
	KEY_RATIO,       /* uint32_t ppm of 0...1; lo, hi in ppm */
	KEY_RATE,        /* uint64_t thousandths */
	KEY_WORD,        /* an enum by its names */
	KEY_CHANCE,      /* double in 1e-15 ... 0.5 */
	KEY_OTHER,       /* read by the caller */
};

struct key {
	const char *name;
	enum key_kind kind;
	size_t at;
	size_t size;
	int64_t lo, hi;
	const char *const *words;
	int word_n;
	bool required;
};

#define KEY_AT(s, m) .at = offsetof(struct s, m), .size = sizeof(((struct s *)0)->m)

/*
 * Reads the table on top of the stack into out by keys[0..n); absent keys leave out as it is.
 * positional: entries without a key are allowed, and left to the caller.
 */
void keys_read(lua_State *L, const struct at *w, const struct key *keys, unsigned n, void *out,
               bool positional);
/* The same, whatever other keys there are. */
void keys_take(lua_State *L, const struct at *w, const struct key *keys, unsigned n, void *out);
/* Pushes field key of the table on top; true unless it is nil (then nothing is pushed). */
bool value_field(lua_State *L, const char *key);
/* A duration or a distribution made by uniform, exponential or lognormal. */
void value_dist(lua_State *L, const struct at *w, struct dist_spec *d);
/* Node of that name with one of the roles (bits 1 << role), or fails. */
int value_node(lua_State *L, const struct at *w, unsigned roles);

/* The file that the value names, from the scenario's folder, as an absolute path to be freed. */
char *value_file(lua_State *L, const struct at *w);

/* Each reads its part into scenario_of(L)->plan. */
void lab_read(lua_State *L);
void links_read(lua_State *L, const struct at *lab);
void confs_read(lua_State *L);
void loads_read(lua_State *L);
void faults_read(lua_State *L);
void expects_read(lua_State *L);
/* For write.c, which writes what these read: the keys of a claim, of a load, and their defaults. */
const struct key *expects_keys(enum plan_expect_kind kind, unsigned *n,
                               const struct plan_expect **defaults);
const struct key *loads_keys(unsigned *n, const struct plan_load **defaults);
/* The same of a load that is captured queries, and of its struct plan_replay. */
const struct key *replay_keys(unsigned *n);
const struct key *replay_own_keys(unsigned *n, const struct plan_replay **defaults);
/* The same of lab itself, which are in struct plan; left out they are 0. */
const struct key *lab_keys(unsigned *n);
const char *loads_type_name(uint16_t type);
/* confs.c: what must hold between nodes and their configuration files. */
void lab_check(lua_State *L);
/* authority.c: what foreign recursors ask; after lab_check, when all addresses are known. */
void authorities_add(lua_State *L);
/* recconf.c: what the plan wants of a recursor.conf. */
struct recconf {
	bool packetcache;
	unsigned allow_n;              /* 0: nothing said */
	struct prefix allow[64];
	unsigned allow_line;
	unsigned answers_line;         /* of stub-answers; 0: it says none */
};
/* Reads it leniently: what it doesn't know is the recursor's to judge. Returns 0 or -errno. */
int recconf_read(struct recconf *c, const char *path);

/* program.c: asks a program for its version. Returns 0, or -errno with the reason in error. */
int program_probe(struct plan_program *p, const char *path, bool balancer,
                  char error[PLAN_ERROR_TEXT]);

/* One more zeroed element at the end of an owned list: returns the list; *n counts on. */
void *list_grow(void *list, unsigned *n, size_t size);

#endif
