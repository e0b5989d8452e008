/* SPDX-License-Identifier: BSD-3-Clause */
/* Who starts slowly, as the log tells it; see slow.h. */
#include "slow.h"

#include <stdio.h>
#include <stdlib.h>

#include "balancer/core/slow.h"

struct slow {
	const struct bal_conf *conf;
	const struct bal_shared *shared;
	bool any;
	int64_t *told_ns;       /* by server: until when it was said to start; INT64_MIN: not */
	int64_t next_ns;
};

struct slow *slow_new(const struct bal_conf *conf, const struct bal_shared *shared)
{
	struct slow *s = calloc(1, sizeof(*s));

	MUST(s != NULL);
	*s = (struct slow){ .conf = conf, .shared = shared, .any = slow_any(conf),
	                    .next_ns = INT64_MAX };
	s->told_ns = calloc(conf->server_n + 1u, sizeof(*s->told_ns));
	MUST(s->told_ns != NULL);
	for (unsigned i = 0; i < conf->server_n; i++)
		s->told_ns[i] = INT64_MIN;
	return s;
}

struct slow *slow_succeed(struct slow *old, const struct bal_shared *shared,
                          const struct bal_succession *s)
{
	struct slow *new = slow_new(s->to, shared);

	for (unsigned i = 0; i < s->to->server_n; i++)
		if (s->heir[i] != BAL_GONE)
			new->told_ns[i] = old->told_ns[s->heir[i]];
	free(old->told_ns);
	free(old);
	return new;
}

void slow_name(const struct bal_server *s, char out[SLOW_NAME])
{
	char addr[EP_TEXT];

	ep_format(&s->addr, addr);
	if (s->name[0] != '\0')
		snprintf(out, SLOW_NAME, "%s (%s)", s->name, addr);
	else
		snprintf(out, SLOW_NAME, "%s", addr);
}

static void pass_server(struct slow *s, unsigned server, int64_t now_ns)
{
	int64_t whole = bal_shared_whole_ns(s->shared, server);
	bool on = whole > now_ns && bal_shared_up(s->shared, server);
	char name[SLOW_NAME];

	if (on && whole < s->next_ns)
		s->next_ns = whole;
	if (on == (s->told_ns[server] != INT64_MIN) && (!on || whole == s->told_ns[server]))
		return;
	slow_name(&s->conf->server[server], name);
	if (on)
		printf("Downstream %s starts slowly, over %lld s\n", name,
		       (long long)(s->conf->server[server].slow_start_ns / 1000000000));
	else if (bal_shared_up(s->shared, server))
		printf("Downstream %s has its whole share\n", name);
	fflush(stdout);
	s->told_ns[server] = on ? whole : INT64_MIN;
}

void slow_pass(struct slow *s, int64_t now_ns)
{
	s->next_ns = INT64_MAX;
	for (unsigned i = 0; s->any && i < s->conf->server_n; i++)
		pass_server(s, i, now_ns);
}

int64_t slow_deadline(const struct slow *s)
{
	return s->next_ns;
}
