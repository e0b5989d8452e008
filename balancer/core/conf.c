/* SPDX-License-Identifier: BSD-3-Clause */
/* Defaults of a server, cache and TCP, dnsdist 1.7's; pools; what a server is known by. */
#include "conf.h"

#include <string.h>

#define SECOND_NS INT64_C(1000000000)

static const uint8_t check_name[] = "\x01" "a" "\x0c" "root-servers" "\x03" "net";

unsigned bal_pools(const struct bal_conf *conf)
{
	return conf->pool_n > 0 ? conf->pool_n : 1;
}

const char *bal_pool_name(const struct bal_conf *conf, unsigned pool)
{
	return pool == 0 ? "" : conf->pool[pool].name;
}

int bal_pool_find(const struct bal_conf *conf, const char *name)
{
	for (unsigned i = 0; i < bal_pools(conf); i++)
		if (strcmp(bal_pool_name(conf, i), name) == 0)
			return (int)i;
	return -1;
}

enum bal_policy bal_pool_policy(const struct bal_conf *conf, unsigned pool)
{
	return pool == 0 ? conf->policy : conf->pool[pool].policy;
}

const struct bal_cache_conf *bal_pool_cache(const struct bal_conf *conf, unsigned pool)
{
	return pool == 0 ? &conf->cache : &conf->pool[pool].cache;
}

bool bal_pool_has(const struct bal_conf *conf, unsigned pool, unsigned server)
{
	return conf->pool_n == 0 || (conf->server[server].pools >> pool & 1) != 0;
}

unsigned bal_pool_servers(const struct bal_conf *conf, unsigned pool)
{
	unsigned n = 0;

	for (unsigned i = 0; i < conf->server_n; i++)
		n += bal_pool_has(conf, pool, i);
	return n;
}

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
		.addr = addr, .order = 1, .weight = 1, .sockets = 1, .pools = 1,
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
