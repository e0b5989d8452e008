/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Passwords: plain, or hashed as dnsdist's hashPassword() does it, $scrypt$ln=N,p=N,r=N$SALT$HASH
 * (scrypt of RFC 7914 with 2^ln rounds, salt and hash in base64). Comparing takes as long for any
 * wrong one.
 */
#ifndef EK_CONFIG_PASSWORD_H
#define EK_CONFIG_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/must.h"

enum { PASSWORD_HASH_TEXT = 128 };

/* True for a hashed one that can be checked in at most 64 MiB of memory and 2^20 blocks. */
bool password_is_hash(const char *text);
/* Whether given[0..len) is the password that want says, plain or hashed. "" is nobody's. */
bool password_ok(const char *want, const char *given, size_t len);
/* Hashes with ln=10, p=1, r=8 and a random salt. Returns 0, or -ENOMEM. */
int password_hash(const char *given, size_t len, char out[PASSWORD_HASH_TEXT]) MUST_CHECK;

#endif
