/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The key of an anonymized capture, out of what a user keeps: a text of his own, a file's or an
 * environment variable's. It is made slowly (Argon2id, RFC 9106, 64 MiB), so that trying
 * passphrases is slow, too.
 */
#ifndef EK_PCAP_KEY_H
#define EK_PCAP_KEY_H

#include "sim/capture/file.h"
#include "sim/pcap/core/prf.h"

enum { KEY_TEXT_MIN = 16, KEY_FILE_MAX = 65536 };

/*
 * text: "file:PATH", whose line end doesn't count, "env:NAME", or the key itself; at least 16
 * bytes. Returns 0; or -errno with one line in error, in which the key is not.
 */
int key_read(uint8_t key[PRF_KEY], const char *text, char error[CAPTURE_ERROR_TEXT]) MUST_CHECK;

#endif
