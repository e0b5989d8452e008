/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * recursor.conf and the command line, read as PowerDNS reads them: KEY=VALUE, KEY+=VALUE, comments
 * after '#', a backslash at the end of a line continues it; the command line comes last. Every key
 * is in settings.def. A mistake is a message with file, line and what was expected.
 */
#ifndef EK_STUB_SETTINGS_H
#define EK_STUB_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/must.h"

enum setting {
#define S(id, name, type, def, least, most, prose) SET_##id,
#define N(name)
#include "settings.def"
#undef S
#undef N
	SETTINGS,
};

enum { SETTINGS_ERROR = 512 };

struct settings {
	char *value[SETTINGS];     /* owned; NULL: as by default */
	char *where[SETTINGS];     /* "FILE:LINE" or "--KEY"; owned */
	char *unknown;             /* "WHERE: ..." of the first unknown key; owned */
	char *unknown_keys;        /* all of them, separated by spaces; owned */
	char *unused;              /* keys given that have no effect, separated by spaces; owned */
	char error[SETTINGS_ERROR];
};

void settings_init(struct settings *s);
void settings_fini(struct settings *s);
/* Each of these returns 0, or -EINVAL with s->error set. */
/* Sets one key; append: as += does. */
int settings_set(struct settings *s, const char *where, const char *key, const char *value,
                 bool append) MUST_CHECK;
/* Reads a file, and the folder that its include-dir names. */
int settings_file(struct settings *s, const char *path) MUST_CHECK;
/* Reads text as if it were a file of that name. text is changed. */
int settings_text(struct settings *s, const char *path, char *text) MUST_CHECK;
/* Reads what was set as its type and limits say; and no key may be unknown. */
int settings_check(struct settings *s) MUST_CHECK;

/* Its text, its default where nothing was set. */
const char *settings_get(const struct settings *s, enum setting which);
/* After settings_check. */
uint64_t settings_number(const struct settings *s, enum setting which);
bool settings_bool(const struct settings *s, enum setting which);
/* Where it was set, for messages. */
const char *settings_where(const struct settings *s, enum setting which);
/* Sets s->error to "WHERE: KEY=VALUE: why" and returns -EINVAL. */
int settings_fail(struct settings *s, enum setting which, const char *why);
/* The settings, as --help prints them. */
void settings_help(FILE *to);

#endif
