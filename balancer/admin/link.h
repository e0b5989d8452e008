/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dnsdist's console protocol, one end of one connection: bytes in, commands out, answers sealed.
 * Each side begins with a nonce of 24 bytes. Then messages: a big-endian length of 32 bits and a
 * secretbox (libsodium's XSalsa20 and Poly1305) under the shared key. The nonce for reading is the
 * first half of one's own and the second of the peer's, for writing the other way round; after each
 * message its first four bytes count up. A message that doesn't open, or is longer than the limit,
 * ends the connection. No sockets here, and nothing is allocated but at link_new and link_expect.
 */
#ifndef EK_BALANCER_LINK_H
#define EK_BALANCER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "balancer/config/admin.h"
#include "lib/must.h"

enum {
	LINK_NONCE = 24, LINK_MAC = 16, LINK_HEAD = 4,
	LINK_LINE_MAX = 65536,           /* bytes of a command */
	LINK_ANSWER_MAX = 10000000,      /* of an answer: what dnsdist's client takes */
};

enum link_event {
	LINK_MORE = 0,     /* all bytes are used up, and nothing is whole */
	LINK_BEGUN,        /* the peer's nonce is there */
	LINK_EMPTY,        /* a length of 0, to be answered with one */
	LINK_TEXT,         /* a message was opened */
};

struct link;

/* key: ADMIN_KEY bytes. nonce: LINK_NONCE random ones, which the caller sends. max: of a text. */
struct link *link_new(const uint8_t *key, const uint8_t *nonce, size_t max);
void link_free(struct link *take_l);
/*
 * Eats some of data[0..n), *used says how many. Returns a link_event; with LINK_TEXT the text, NUL
 * after it, in *text until the next call. -EMSGSIZE: a message above max. -EBADMSG: it doesn't
 * open, so the peer has another key, or somebody changed it.
 */
int link_eat(struct link *l, const uint8_t *data, size_t n, size_t *used, const char **text,
             size_t *len) MUST_CHECK;
/* Bytes that a text of len takes on the wire. */
size_t link_sealed(size_t len);
/* Writes the text as a message, link_sealed bytes. After LINK_BEGUN only. */
void link_seal(struct link *l, const char *text, size_t len, uint8_t *out);
/* True once a message was opened: the peer has the key. */
bool link_proven(const struct link *l);

#endif
