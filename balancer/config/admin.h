/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a configuration says about the console and the web server: who may come, what they must
 * know. Plain data of fixed size; part of struct config.
 */
#ifndef EK_CONFIG_ADMIN_H
#define EK_CONFIG_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/must.h"

enum {
	ADMIN_ACL_MAX = 64,
	ADMIN_KEY = 32,               /* bytes of the console's key */
	ADMIN_SECRET_TEXT = 256,      /* a password, NUL included */
	ADMIN_HEADERS_MAX = 16,
	ADMIN_HEADER_NAME = 64, ADMIN_HEADER_VALUE = 512,
	ADMIN_CONNECTIONS_MAX = 1000,
};

struct admin_acl {
	unsigned n;
	struct prefix prefix[ADMIN_ACL_MAX];
};

struct admin_console {
	bool on;                      /* controlSocket was called */
	bool keyed;                   /* else nobody can talk to it */
	struct ep listen;             /* 127.0.0.1:5199 */
	uint8_t key[ADMIN_KEY];
	struct admin_acl acl;         /* 127.0.0.0/8, ::1 */
	unsigned connections;         /* 100 at a time */
};

struct admin_header {
	char name[ADMIN_HEADER_NAME];
	char value[ADMIN_HEADER_VALUE];       /* "": the header isn't sent */
};

struct admin_web {
	bool on;                      /* webserver was called */
	struct ep listen;
	char password[ADMIN_SECRET_TEXT];     /* plain or $scrypt$...; "": nobody passes by one */
	char api_key[ADMIN_SECRET_TEXT];      /* the same */
	struct admin_acl acl;         /* 127.0.0.1, ::1 */
	bool stats_need_auth;         /* true */
	unsigned connections;         /* 100 at a time */
	unsigned header_n;
	struct admin_header header[ADMIN_HEADERS_MAX];
};

struct config_admin {
	struct admin_console console;
	struct admin_web web;
};

/* Reads a key, 32 bytes in base64. Returns 0, or -EINVAL and what is in key is nothing. */
int admin_key_parse(uint8_t key[ADMIN_KEY], const char *text) MUST_CHECK;

#endif
