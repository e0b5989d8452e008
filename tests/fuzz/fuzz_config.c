/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any text as a dnsdist configuration, in both modes, under tight limits: it comes to a valid
 * configuration or to one line that says what is wrong. The first functions that it keeps for later
 * are called, as a policy, as a check and as a rule's.
 */
#include <stdio.h>
#include <string.h>

#include "balancer/config/script.h"
#include "lib/host/host.h"
#include "lib/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct config *c, const char *error)
{
	if (c == NULL) {
		MUST(strncmp(error, "f:", 2) == 0 && strchr(error, '\n') == NULL);
		return;
	}
	MUST(c->conf.front_n > 0 && c->conf.server_n <= BAL_SERVERS_MAX);
	MUST(c->conf.max_outstanding >= 1 && c->conf.max_outstanding <= 65535);
	for (unsigned i = 0; i < c->conf.server_n; i++) {
		const struct bal_server *s = &c->conf.server[i];
		MUST(s->weight >= 1 && s->sockets >= 1 && s->addr.port != 0);
		MUST(s->check.interval_ns > 0 && s->check.timeout_ns > 0 && s->check.rise > 0);
		MUST(i == 0 || c->conf.server[i - 1].order <= s->order);
		MUST(memchr(s->name, '\0', sizeof(s->name)) != NULL);
	}
}

/* As what a rule does, to a query and to an answer. */
static void call_rule(struct script *s, const struct bal_hooks *h, unsigned function,
                      const struct bal_hook_query *q)
{
	uint64_t failed = script_failures(s);

	for (unsigned answer = 0; answer < 2; answer++) {
		struct bal_hook_rule m = { .q = *q, .answer = answer != 0, .flags = q->flags };
		(void)h->match(h->arg, function, &m);
		MUST(m.flags == q->flags && !m.skip_cache);
		if (!h->act(h->arg, function, &m))
			MUST(m.flags == q->flags && script_failures(s) > failed);
		else
			MUST(m.action.kind > 0 && m.action.kind < BAL_ACT_LUA &&
			     m.action.n <= BAL_SPOOF_MAX && m.action.pool < BAL_POOLS_MAX);
	}
}

/* As policy, check and rule, each twice: what a call leaves behind is seen by the next. */
static void call(struct script *s, const struct config *c, unsigned function)
{
	static const uint8_t message[] = "\1\2\1\0\0\1\0\0\0\0\0\0\3www\7example\0\0\1\0\1";
	const struct ep ep = { ip_v4(192, 0, 2, 1), 53 };
	const struct bal_hook_query q = {
		.name = message + 12, .name_len = 13, .type = 1, .class = 1, .flags = DNS_RD,
		.peer = &ep, .local = &ep, .message = message, .len = 29, .end = 29,
	};
	struct bal_hooks h = script_hooks(s);
	struct bal_hook_probe p = { .name_len = 1, .type = 1, .class = 1 };
	uint16_t server[BAL_SERVERS_MAX];

	for (unsigned i = 0; i < c->conf.server_n; i++)
		server[i] = (uint16_t)i;
	for (unsigned i = 0; i < 2; i++) {
		int got = h.pick(h.arg, function, &q, server, c->conf.server_n);
		MUST(got >= BAL_HOOK_FAILED && got < (int)c->conf.server_n);
		bool good = h.check(h.arg, function, &p);
		MUST(p.name_len >= 1 && p.name_len <= DNS_NAME_MAX && (good || p.name_len == 1));
		p.name_len = 1;
		p.name[0] = 0;
		call_rule(s, &h, function, &q);
	}
	MUST(strchr(script_error(s), '\n') == NULL);
}

static void call_functions(const struct config *c)
{
	static const uint8_t seed[DRBG_SEED];
	char error[CONFIG_ERROR_TEXT];
	struct arena a;

	MUST(host_arena(&a, bal_shared_arena_size(&c->conf)) == 0);
	struct script *s = script_new(c, bal_shared_init(&a, &c->conf), seed, 0, error);
	for (unsigned i = 1; s != NULL && i <= c->function_n && i <= 2; i++)
		call(s, c, i);
	script_free(s);
	host_arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 4096)
		return 0;
	for (enum config_mode mode = CONFIG_STRICT; mode <= CONFIG_FOREIGN; mode++) {
		const struct config_options o = {
			.mode = mode, .instructions_max = 20000, .memory_max = 1 << 20,
		};
		char error[CONFIG_ERROR_TEXT] = "";
		struct config *c = config_parse("f", (const char *)data, size, &o, error);
		check(c, error);
		if (c != NULL && c->function_n > 0)
			call_functions(c);
		config_free(c);
	}
	return 0;
}
