/* SPDX-License-Identifier: BSD-3-Clause */
/* Defaults of one server, and of TCP, dnsdist 1.7's; see conf.h. */
#include "conf.h"

#include <string.h>

#define SECOND_NS INT64_C(1000000000)

static const uint8_t check_name[] = "\x01" "a" "\x0c" "root-servers" "\x03" "net";

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
