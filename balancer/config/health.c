/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys of newServer about how its health is checked that are words; numbers are in server.c. */
#include "internal.h"

#include <string.h>
#include <strings.h>

void cf_health_mode(lua_State *l, struct bal_check *c, int index)
{
	static const struct { const char *name; enum bal_check_mode mode; bool lazy; } modes[] = {
		{ "auto", BAL_CHECK_AUTO, false }, { "lazy", BAL_CHECK_AUTO, true },
		{ "up", BAL_CHECK_UP, false }, { "down", BAL_CHECK_DOWN, false },
	};
	const char *text = cf_want_text(l, index, "newServer: healthCheckMode");

	for (size_t i = 0; i < COUNT_OF(modes); i++) {
		if (strcasecmp(text, modes[i].name) != 0)
			continue;
		c->mode = modes[i].mode;
		c->lazy.on = modes[i].lazy;
		return;
	}
	cf_fail(l, "newServer: healthCheckMode: '%s': expected auto, lazy, up or down", text);
}

void cf_lazy_mode(lua_State *l, struct bal_check *c, int index)
{
	const char *text = cf_want_text(l, index, "newServer: lazyHealthCheckMode");

	c->lazy.timeouts_only = strcasecmp(text, "TimeoutOnly") == 0;
	if (!c->lazy.timeouts_only && strcasecmp(text, "TimeoutOrServFail") != 0)
		cf_fail(l, "newServer: lazyHealthCheckMode: '%s': expected TimeoutOnly or "
		        "TimeoutOrServFail", text);
}

void cf_lazy_check(lua_State *l, const struct bal_check *c)
{
	if (c->lazy.min_samples > c->lazy.samples)
		cf_fail(l, "newServer: lazyHealthCheckMinSampleCount: '%d': expected at most "
		        "lazyHealthCheckSampleSize, %d", (int)c->lazy.min_samples,
		        (int)c->lazy.samples);
}
