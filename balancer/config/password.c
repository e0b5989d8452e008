/* SPDX-License-Identifier: BSD-3-Clause */
/* scrypt hashes of passwords and comparison in constant time; see password.h. */
#include "password.h"

#include <errno.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { SALT_MAX = 64, SALT = 16, HASH = 32, LN = 10, P = 1, R = 8, MEMORY_MAX = 64 << 20 };

struct hash {
	unsigned ln, p, r;
	uint8_t salt[SALT_MAX];
	size_t salt_len;
	uint8_t hash[HASH];
};

/* Reads "NAME=NUMBER" and the end character after it. */
static bool number(const char **at, const char *name, char end, unsigned max, unsigned *out)
{
	size_t n = strlen(name);
	const char *s = *at + n;

	if (strncmp(*at, name, n) != 0)
		return false;
	*out = 0;
	for (; *s >= '0' && *s <= '9' && *out <= max; s++)
		*out = *out * 10 + (unsigned)(*s - '0');
	*at = s + 1;
	return *s == end && *out >= 1 && *out <= max;
}

static bool base64(const char *text, size_t len, uint8_t *out, size_t max, size_t *got)
{
	const char *end;

	return sodium_base642bin(out, max, text, len, NULL, got, &end,
	                         sodium_base64_VARIANT_ORIGINAL) == 0 && end == text + len;
}

static bool parse(struct hash *h, const char *text)
{
	static const char start[] = "$scrypt$";
	size_t len;

	if (strncmp(text, start, sizeof(start) - 1) != 0)
		return false;
	text += sizeof(start) - 1;
	if (!number(&text, "ln=", ',', 20, &h->ln) || !number(&text, "p=", ',', 64, &h->p) ||
	    !number(&text, "r=", '$', 64, &h->r))
		return false;
	const char *dollar = strchr(text, '$');
	if (dollar == NULL ||
	    !base64(text, (size_t)(dollar - text), h->salt, sizeof(h->salt), &h->salt_len) ||
	    !base64(dollar + 1, strlen(dollar + 1), h->hash, sizeof(h->hash), &len))
		return false;
	uint64_t blocks = (UINT64_C(1) << h->ln) * h->r;
	return len == HASH && h->salt_len > 0 && blocks * 128 <= MEMORY_MAX &&
	       blocks * h->p <= 1 << 20;
}

static bool run(const struct hash *h, const char *given, size_t len, uint8_t out[HASH])
{
	return crypto_pwhash_scryptsalsa208sha256_ll((const uint8_t *)given, len, h->salt,
	                                             h->salt_len, UINT64_C(1) << h->ln, h->r, h->p,
	                                             out, HASH) == 0;
}

bool password_is_hash(const char *text)
{
	struct hash h;

	return parse(&h, text);
}

/* Digests under a fresh key, so that neither length nor contents show in the time. */
static bool same_text(const char *want, const char *given, size_t len)
{
	uint8_t key[crypto_generichash_KEYBYTES], a[HASH], b[HASH];

	randombytes_buf(key, sizeof(key));
	MUST(crypto_generichash(a, HASH, (const uint8_t *)want, strlen(want), key,
	                        sizeof(key)) == 0);
	MUST(crypto_generichash(b, HASH, (const uint8_t *)given, len, key, sizeof(key)) == 0);
	return sodium_memcmp(a, b, HASH) == 0;
}

bool password_ok(const char *want, const char *given, size_t len)
{
	struct hash h;
	uint8_t out[HASH];

	if (want[0] == '\0')
		return false;
	if (!parse(&h, want))
		return same_text(want, given, len);
	return run(&h, given, len, out) && sodium_memcmp(out, h.hash, HASH) == 0;
}

int password_hash(const char *given, size_t len, char out[PASSWORD_HASH_TEXT])
{
	struct hash h = { .ln = LN, .p = P, .r = R, .salt_len = SALT };
	char salt[32], hash[64];

	randombytes_buf(h.salt, SALT);
	if (!run(&h, given, len, h.hash))
		return -ENOMEM;
	sodium_bin2base64(salt, sizeof(salt), h.salt, SALT, sodium_base64_VARIANT_ORIGINAL);
	sodium_bin2base64(hash, sizeof(hash), h.hash, HASH, sodium_base64_VARIANT_ORIGINAL);
	snprintf(out, PASSWORD_HASH_TEXT, "$scrypt$ln=%d,p=%d,r=%d$%s$%s", LN, P, R, salt, hash);
	return 0;
}
