/* SPDX-License-Identifier: BSD-3-Clause */
/* Defaults of a server, cache and TCP, dnsdist 1.7's; what a server is known by; see conf.h. */
#include "conf.h"

#include <string.h>

#define SECOND_NS INT64_C(1000000000)

static const uint8_t check_name[] = "\x01" "a" "\x0c" "root-servers" "\x03" "net";

size_t bal_server_id(const struct bal_server *s, char out[BAL_SERVER_ID])
{
	size_t len = strlen(s->id[0] != '\0' ? s->id : s->name);
	bool named = s->id[0] == '\0' && len > 0;

	memcpy(out, s->id[0] != '\0' ? s->id : s->name, len + 1);
	if (s->id[0] != '\0')
		return len;
	if (named) {
		out[len++] = ' ';
		out[len++] = '(';
	}
	len += ep_format(&s->addr, out + len);
	if (named)
		out[len++] = ')';
	out[len] = '\0';
	return len;
}

void bal_server_defaults(struct bal_server *s)
{
	struct ep addr = s->addr;

	*s = (struct bal_server){
		.addr = addr, .order = 1, .weight = 1, .sockets = 1,
		.check = {
			.mode = BAL_CHECK_AUTO, .type = DNS_A, .class = DNS_IN,
			.name_len = sizeof(check_name),
			.interval_ns = 1000000000, .timeout_ns = 1000000000,
			.max_failures = 1, .rise = 1,
			.lazy = { .threshold = 20, .samples = 100, .min_samples = 1,
			          .failed_ns = 30 * SECOND_NS,
			          .back_off_max_ns = 3600 * SECOND_NS,
			          .look_ns = BAL_LAZY_LOOK_NS },
		},
		.tcp = {
			.connect_timeout_ns = 5 * SECOND_NS, .send_timeout_ns = 30 * SECOND_NS,
			.recv_timeout_ns = 30 * SECOND_NS, .retries = 5,
		},
	};
	memcpy(s->check.name, check_name, sizeof(check_name));
}

void bal_tcp_defaults(struct bal_tcp_conf *t)
{
	*t = (struct bal_tcp_conf){
		.conns = BAL_TCP_CONNS, .recv_timeout_ns = 2 * SECOND_NS,
		.send_timeout_ns = 2 * SECOND_NS, .idle_ns = 10 * SECOND_NS, .cached = 20,
	};
}

void bal_ecs_defaults(struct bal_ecs *e)
{
	*e = (struct bal_ecs){ .bits4 = 24, .bits6 = 56 };
}

bool bal_ecs_wanted(const struct bal_server *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (s[i].client_subnet)
			return true;
	return false;
}

void bal_cache_defaults(struct bal_cache_conf *c)
{
	uint32_t entries = c->entries;

	*c = (struct bal_cache_conf){
		.entries = entries, .max_ttl = 86400, .failure_ttl = 60, .negative_ttl = 3600,
		.stale_ttl = 60,
	};
}
