/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Headers of the PROXY protocol, version 2 (HAProxy's proxy-protocol.txt, section 2.2): who asked
 * and which address was asked, before a datagram's message or at the beginning of a connection.
 */
#ifndef EK_PROXY_H
#define EK_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

enum { PROXY_LOCAL = 16, PROXY_MAX = 16 + 36 };

/* Of a message of our own (health checks): command LOCAL, no addresses. */
void proxy_local(uint8_t out[PROXY_LOCAL]);
/*
 * Of a client's message: command PROXY. tcp: how it came. Returns its length, 28 where both
 * addresses are IPv4, else 52; IPv4 then stands as ::ffff:a.b.c.d.
 */
size_t proxy_header(uint8_t out[PROXY_MAX], const struct ep *client, const struct ep *local,
                    bool tcp);

#endif
