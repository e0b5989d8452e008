/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A balancer core out of a configuration's text, for tests of rules: its servers are up, clients
 * are as bal_rig.h has them, and TCP is off unless a test wants it.
 */
#ifndef EK_TEST_RULE_RIG_H
#define EK_TEST_RULE_RIG_H

#include <string.h>

#include "balancer/config/script.h"
#include "bal_rig.h"

struct rule_rig {
	struct rig rig;
	struct config *config;
	struct script *script;       /* of its functions; NULL: it has none */
	struct bal_hooks hooks;
	uint8_t buf[RIG_BYTES];
};

/* Everybody may ask; server i is DNSi of its pool, at 192.0.2.(3+i). */
static inline void rule_rig_conf(struct rule_rig *r, const char *text)
{
	static const char head[] = "setACL({'0.0.0.0/0', '::/0'}) setServerPolicy(roundrobin)\n"
		"newServer{address='192.0.2.3'}:setUp()\n"
		"newServer{address='192.0.2.4', pool='abuse'}:setUp()\n";
	char error[CONFIG_ERROR_TEXT], all[8192];

	*r = (struct rule_rig){ .rig = { .now_ns = 1000000000 } };
	MUST(snprintf(all, sizeof(all), "%s%s", head, text) < (int)sizeof(all));
	r->config = config_parse("f.conf", all, strlen(all), NULL, error);
	if (r->config == NULL)
		printf("%s\n", error);
	MUST(r->config != NULL);
	r->rig.conf = r->config->conf;
	r->rig.conf.tcp.conns = 0;
}

/* Its functions can be called from now on. */
static inline void rule_rig_hook(struct rule_rig *r)
{
	static const uint8_t seed[DRBG_SEED] = { 3 };
	char error[CONFIG_ERROR_TEXT];

	if (r->config->function_n == 0)
		return;
	r->script = script_new(r->config, r->rig.shared, seed, 0, error);
	MUST(r->script != NULL);
	r->hooks = script_hooks(r->script);
	bal_set_hooks(r->rig.b, &r->hooks);
}

static inline void rule_rig(struct rule_rig *r, const char *text)
{
	rule_rig_conf(r, text);
	rig_start(&r->rig, 7);
	rule_rig_hook(r);
}

static inline void rule_rig_stop(struct rule_rig *r)
{
	rig_stop(&r->rig);
	script_free(r->script);
	config_free(r->config);
}

/* A query for a name and type, with RD; flags: more of them. */
static inline struct dgram rule_query(struct rule_rig *r, const char *name, uint16_t type,
                                      unsigned flags)
{
	struct dgram d = rig_query(r->buf, 0, 77, name, false);

	dns_put16(d.data + d.len - 4, type);
	dns_put16(d.data + 2, (uint16_t)(dns_flags(d.data) | flags));
	return d;
}

static inline enum bal_verdict rule_ask(struct rule_rig *r, const char *name, uint16_t type)
{
	struct dgram d = rule_query(r, name, type, 0);

	return rig_rx(&r->rig, &d);
}

#endif
