/* SPDX-License-Identifier: BSD-3-Clause */
/* Framing and encryption of the console; see link.h. */
#include "link.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum stage { NONCE, HEAD, BODY };

struct link {
	enum stage stage;
	bool proven;
	uint8_t key[ADMIN_KEY], nonce[LINK_NONCE], read[LINK_NONCE], write[LINK_NONCE];
	size_t max;              /* of a text */
	size_t want, have;       /* bytes of the part at hand */
	size_t room;
	uint8_t *in;             /* the part at hand, as it comes */
	char *text;              /* the last one opened */
};

static void expect(struct link *l, enum stage stage, size_t want)
{
	l->stage = stage;
	l->want = want;
	l->have = 0;
#ifdef EK_PLANT /* what make fuzz must find: a part that is one byte longer than the room for it */
	if (l->room > 0 && want <= l->room + 1)
		return;
#endif
	if (want <= l->room)
		return;
	l->room = want;
	free(l->text);
	l->in = realloc(l->in, want);
	l->text = malloc(want + 1);
	MUST(l->in != NULL && l->text != NULL);
}

struct link *link_new(const uint8_t *key, const uint8_t *nonce, size_t max)
{
	struct link *l = calloc(1, sizeof(*l));

	MUST(l != NULL && max <= UINT32_MAX - LINK_MAC);
	memcpy(l->key, key, sizeof(l->key));
	memcpy(l->nonce, nonce, sizeof(l->nonce));
	l->max = max;
	expect(l, NONCE, LINK_NONCE);
	return l;
}

void link_free(struct link *l)
{
	if (l == NULL)
		return;
	sodium_memzero(l->key, sizeof(l->key));
	free(l->in);
	free(l->text);
	free(l);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void count_up(uint8_t nonce[LINK_NONCE])
{
	put32(nonce, get32(nonce) + 1);
}

static void merge(uint8_t out[LINK_NONCE], const uint8_t *first, const uint8_t *second)
{
	memcpy(out, first, LINK_NONCE / 2);
	memcpy(out + LINK_NONCE / 2, second + LINK_NONCE / 2, LINK_NONCE / 2);
}

static int take_nonce(struct link *l)
{
	merge(l->read, l->nonce, l->in);
	merge(l->write, l->in, l->nonce);
	expect(l, HEAD, LINK_HEAD);
	return LINK_BEGUN;
}

static int take_head(struct link *l)
{
	uint32_t len = get32(l->in);

	if (len == 0) {
		l->have = 0;
		return LINK_EMPTY;
	}
	if (len < LINK_MAC)
		return -EBADMSG;
	if (len - LINK_MAC > l->max)
		return -EMSGSIZE;
	expect(l, BODY, len);
	return LINK_MORE;
}

static int take_body(struct link *l, const char **text, size_t *len)
{
	size_t sealed = l->want;

	MUST(sealed >= LINK_MAC);
	if (crypto_secretbox_open_easy((uint8_t *)l->text, l->in, sealed, l->read, l->key) != 0)
		return -EBADMSG;
	count_up(l->read);
	l->proven = true;
	*text = l->text;
	*len = sealed - LINK_MAC;
	l->text[*len] = '\0';
	l->stage = HEAD;
	l->want = LINK_HEAD;
	l->have = 0;
	return LINK_TEXT;
}

int link_eat(struct link *l, const uint8_t *data, size_t n, size_t *used, const char **text,
             size_t *len)
{
	*used = 0;
	while (*used < n) {
		size_t part = l->want - l->have < n - *used ? l->want - l->have : n - *used;
		memcpy(l->in + l->have, data + *used, part);
		l->have += part;
		*used += part;
		if (l->have < l->want)
			break;
		int r = l->stage == NONCE ? take_nonce(l)
		        : l->stage == HEAD ? take_head(l) : take_body(l, text, len);
		if (r != LINK_MORE)
			return r;
	}
	return LINK_MORE;
}

size_t link_sealed(size_t len)
{
	return LINK_HEAD + LINK_MAC + len;
}

void link_seal(struct link *l, const char *text, size_t len, uint8_t *out)
{
	MUST(l->stage != NONCE && len <= UINT32_MAX - LINK_MAC);
	put32(out, (uint32_t)(len + LINK_MAC));
	MUST(crypto_secretbox_easy(out + LINK_HEAD, (const uint8_t *)text, len, l->write,
	                           l->key) == 0);
	count_up(l->write);
}

bool link_proven(const struct link *l)
{
	return l->proven;
}
