/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of balancer/config share: the configuration while it is being made, and the
 * helpers with which C functions called from Lua read their arguments. Errors leave through
 * lua_error, so nothing here may hold memory across a call into Lua except in struct loader.
 */
#ifndef EK_CONFIG_INTERNAL_H
#define EK_CONFIG_INTERNAL_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "config.h"

enum { LOADER_LIST_MAX = 4096 };

struct loader {
	enum config_mode mode;
	size_t memory, memory_max;          /* bytes held by Lua, and the most it may hold */
	uint64_t instructions, instructions_max;
	enum bal_policy policy;
	bool servfail_when_no_server, roundrobin_fail_on_no_server;
	int64_t udp_timeout_ns;
	uint32_t max_outstanding;
	unsigned socket_n;                  /* of all servers */
	unsigned server_n, front_n, acl_n, note_n; /* lists double at powers of 2 */
	struct bal_server *server;          /* in order of definition */
	struct ep *front;
	struct prefix *acl;
	struct config_note *note;
	bool front_set, acl_set;            /* false: the list still is the default */
};

/* sandbox.c: a state with the permitted libraries and the limits of ld; NULL when out of memory. */
lua_State *sandbox_new(struct loader *ld);
/* Runs the text. Returns NULL, or the error message, owned by the state. */
const char *sandbox_run(lua_State *l, const char *text, size_t len);
/* The loader of a state. */
struct loader *loader_of(lua_State *l);

/* args.c */
/* The line of the file that is being run, 0: not known. */
unsigned line_of(lua_State *l);
/* Raises "FILE:LINE: ...", printf-like. */
_Noreturn void fail(lua_State *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void note(struct loader *ld, enum config_note_kind kind, unsigned line, const char *text);
/* One more element of size at the end of a list of *n; memory is the caller's list to free. */
void *list_add(void *list, unsigned *n, size_t size, void **out_new);
/* What may have been meant: the closest of names[0..n), or NULL when none is close. */
const char *closest(const char *word, const char *const *names, size_t n);
/* The value at index as text, for messages; owned by the state, pushed. */
const char *show(lua_State *l, int index);
/* A whole number, also out of a string of digits, within [min, max]. what: for the message. */
int64_t want_int(lua_State *l, int index, const char *what, int64_t min, int64_t max);
bool want_bool(lua_State *l, int index, const char *what);
const char *want_text(lua_State *l, int index, const char *what);
/* True, and the number, when the value is a whole number or a string of one. */
bool is_int(lua_State *l, int index, int64_t *out);

/* server.c: newServer and the methods of what it returns. */
int server_new(lua_State *l);
void server_register(lua_State *l);

/* global.c: every other function and value that a file may name. */
void global_register(lua_State *l);

/* foreign.c: what stands for everything unknown in foreign mode. Pushes it. */
void foreign_push(lua_State *l, const char *name);
void foreign_register(lua_State *l);

#endif
