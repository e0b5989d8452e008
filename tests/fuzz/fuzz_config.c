/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any text as a dnsdist configuration, in both modes, under tight limits: it comes to a valid
 * configuration or to one line that says what is wrong.
 */
#include <stdio.h>
#include <string.h>

#include "balancer/config/config.h"
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
		config_free(c);
	}
	return 0;
}
