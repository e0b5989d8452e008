/* SPDX-License-Identifier: BSD-3-Clause */
/* PROXY protocol headers; see proxy.h. */
#include "proxy.h"

#include <string.h>

#include "dns.h"

enum { LOCAL = 0x20, PROXIED = 0x21, INET = 0x10, INET6 = 0x20, STREAM = 1, DGRAM = 2, V4_AT = 12 };

static void head(uint8_t *out, uint8_t command, uint8_t family, size_t len)
{
	static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";

	memcpy(out, signature, sizeof(signature));
	out[12] = command;
	out[13] = family;
	dns_put16(out + 14, (uint16_t)len);
}

void proxy_local(uint8_t out[PROXY_LOCAL])
{
	head(out, LOCAL, 0, 0);
}

size_t proxy_header(uint8_t out[PROXY_MAX], const struct ep *client, const struct ep *local,
                    bool tcp)
{
	bool v4 = ip_is4(&client->ip) && ip_is4(&local->ip);
	size_t n = v4 ? 4 : 16, at = v4 ? V4_AT : 0;
	uint8_t *p = out + PROXY_LOCAL;

	head(out, PROXIED, (uint8_t)((v4 ? INET : INET6) | (tcp ? STREAM : DGRAM)), 2 * n + 4);
	memcpy(p, client->ip.b + at, n);
	memcpy(p + n, local->ip.b + at, n);
	dns_put16(p + 2 * n, client->port);
	dns_put16(p + 2 * n + 2, local->port);
	return PROXY_LOCAL + 2 * n + 4;
}
