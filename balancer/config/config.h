/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads a dnsdist Lua configuration into a struct bal_conf, which never changes after. The file is
 * evaluated once, in a sandbox: base, table, string and math without what touches the world, loads
 * code, or draws random numbers; so many instructions, so much memory; LuaJIT through the Lua 5.1 C
 * API alone. docs/balancer.conf.5 lists what is understood.
 *
 * Two modes. Strict is our own balancer's: a function or key that we don't know is an error.
 * Foreign is for a file that somebody else's balancer will run: what we don't know becomes a no-op
 * that is noted; binds, ACL, servers and policy are read as in strict mode.
 */
#ifndef EK_CONFIG_H
#define EK_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "admin.h"
#include "balancer/core/conf.h"

enum {
	CONFIG_ERROR_TEXT = 1024,
	CONFIG_NOTE_TEXT = 256,
	CONFIG_FILE_MAX = 1 << 20,            /* bytes of a configuration file */
	CONFIG_MEMORY_MAX = 64 << 20,         /* bytes that its evaluation may hold */
	CONFIG_INSTRUCTIONS_MAX = 20000000,   /* steps of Lua's machine */
	CONFIG_NOTES_MAX = 1000,
	CONFIG_LISTEN_QUEUE = 4096,           /* the kernel takes no more than its somaxconn */
	CONFIG_SOCKETS_MAX = 16384,           /* of all servers, in one worker */
};

enum config_mode { CONFIG_STRICT = 1, CONFIG_FOREIGN };

enum config_note_kind {
	CONFIG_PRINT = 1,  /* a line that dnsdist prints: print(), a server that was left out */
	CONFIG_UNKNOWN,    /* foreign mode: a name or key that did nothing; text: which */
	CONFIG_NO_EFFECT,  /* understood, without effect here; text: its name */
};

struct config_note {
	enum config_note_kind kind;
	unsigned line;              /* of the file; 0: not known */
	char text[CONFIG_NOTE_TEXT];
};

/* What the command line says, and limits. Zero fields mean: nothing said, the default limit. */
struct config_options {
	enum config_mode mode;      /* 0: CONFIG_STRICT */
	unsigned front_n;           /* binds that replace all of the file's (-l) */
	const struct ep *front;
	unsigned acl_n;             /* prefixes that replace the file's and the default (-a) */
	const struct prefix *acl;
	size_t memory_max;
	uint64_t instructions_max;
	bool client;                /* foreign mode, but the console's settings are read */
};

struct config {
	struct bal_conf conf;
	struct config_admin admin;
	unsigned note_n;
	struct config_note *note;   /* in the order of evaluation; a name once a line */
};

/*
 * Evaluates the file at path. o may be NULL: strict, nothing from the command line. Returns the
 * configuration, which the caller frees with config_free, or NULL with one line in error: the
 * file, its line, the value, and what was expected.
 */
struct config *config_load(const char *path, const struct config_options *o,
                           char error[CONFIG_ERROR_TEXT]);
/* The same from text in memory; name stands for the file in messages. */
struct config *config_parse(const char *name, const char *text, size_t len,
                            const struct config_options *o, char error[CONFIG_ERROR_TEXT]);
/* A type's name; NULL: it has none here. An rcode's, below 16, as dnsdist says it. */
const char *config_type_name(uint16_t type);
const char *config_rcode_name(unsigned rcode);
/* c may be NULL. */
void config_free(struct config *take_c);

#endif
