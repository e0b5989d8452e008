/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a key comes from, and what is made of it; see key.h. */
#include "key.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/host.h"

/* The same for everybody: equal keys must give equal captures. */
static const unsigned char salt[crypto_pwhash_SALTBYTES] = "evenkeel capture";

static int make(uint8_t key[PRF_KEY], const char *text, size_t n, const char *from,
                char error[CAPTURE_ERROR_TEXT])
{
	if (n < KEY_TEXT_MIN) {
		snprintf(error, CAPTURE_ERROR_TEXT,
		         "--anonymize%s: the key has %zu bytes: expected at least %d", from, n,
		         KEY_TEXT_MIN);
		return -EINVAL;
	}
	if (sodium_init() < 0 ||
	    crypto_pwhash(key, PRF_KEY, text, n, salt, crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE,
	                  crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE,
	                  crypto_pwhash_ALG_ARGON2ID13) != 0) {
		snprintf(error, CAPTURE_ERROR_TEXT, "--anonymize: no 64 MiB for making the key");
		return -ENOMEM;
	}
	return 0;
}

static int from_file(uint8_t key[PRF_KEY], const char *path, char error[CAPTURE_ERROR_TEXT])
{
	char from[CAPTURE_ERROR_TEXT / 2], *text;
	size_t n;

	int err = host_read_file(path, KEY_FILE_MAX, &text, &n);
	if (err < 0) {
		snprintf(error, CAPTURE_ERROR_TEXT, "--anonymize file:%s: %s", path,
		         strerror(-err));
		return err;
	}
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	snprintf(from, sizeof(from), " file:%s", path);
	err = make(key, text, n, from, error);
	sodium_memzero(text, n);
	free(text);
	return err;
}

int key_read(uint8_t key[PRF_KEY], const char *text, char error[CAPTURE_ERROR_TEXT])
{
	char from[CAPTURE_ERROR_TEXT / 2];

	if (strncmp(text, "file:", 5) == 0)
		return from_file(key, text + 5, error);
	if (strncmp(text, "env:", 4) != 0)
		return make(key, text, strlen(text), "", error);
	const char *value = getenv(text + 4);
	if (value == NULL) {
		snprintf(error, CAPTURE_ERROR_TEXT, "--anonymize %s: no such variable", text);
		return -ENOENT;
	}
	snprintf(from, sizeof(from), " %s", text);
	return make(key, value, strlen(value), from, error);
}
