/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Lua states that files are evaluated in: what neither touches the world nor depends on it
 * (no files, no code loading, no random numbers, no addresses, tables walked in the order of their
 * keys), in bounded memory, steps and processor time. jit is never opened, so everything is
 * interpreted and the hook sees every step. Only the Lua 5.1 C API.
 */
#ifndef EK_HOST_LUABOX_H
#define EK_HOST_LUABOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lauxlib.h>
#include <lua.h>

#include "lib/must.h"

/*
 * The limits of one state, and what it has used. Make it the first member of what the C functions
 * called from Lua need, and luabox_of gives them that.
 */
struct luabox {
	const char *what;         /* "the configuration": for messages */
	size_t memory_max;        /* bytes */
	uint64_t steps_max;       /* of Lua's machine */
	size_t memory;
	uint64_t steps;
	int64_t start_cpu_ns;     /* INT64_MIN: not looked at yet */
	bool spent;               /* a limit was reached: every step fails */
};

enum { LUABOX_CPU_SECONDS = 10 }; /* of the thread, whatever the steps were spent on */

/*
 * A new state without globals. fill is called protected, with one table on the stack that holds
 * what every file may use: assert error ipairs pairs select tonumber tostring type unpack, and of
 * string, table and math what is exact, bounded and the same everywhere; it makes the globals of
 * that table. Returns NULL when there is no memory for it. Close with lua_close.
 */
lua_State *luabox_open(struct luabox *b, lua_CFunction fill);
struct luabox *luabox_of(lua_State *L);
/*
 * Steps and time begin anew, for a state that runs one text after the other, or whose functions are
 * called. Steps are counted by the thousand, and time from the first thousand on; O(1), without a
 * system call.
 */
void luabox_again(lua_State *L);

/* True for source text: no NUL and no escape character, with which compiled Lua begins. */
bool luabox_is_text(const char *text, size_t len);

/*
 * More for the table on top of the stack, for files that were written for a program with a whole
 * Lua: pcall, next, raw access, metatables; string.find, match, gmatch and gsub for patterns and
 * texts that can't keep them busy for long.
 */
void luabox_add_more(lua_State *L);

/* Pushes an array of the keys of the table at index in order: false, true, numbers, texts. */
void luabox_sorted_keys(lua_State *L, int index);

#endif
