/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The only calls out of a core: what a Lua function of the configuration decides, of which a core
 * knows the number alone (1...; 0 is none). balancer/config/script.h has the functions behind them.
 * They look at no clock and draw from a stream of the seed, so what they decide can be repeated.
 */
#ifndef EK_BALANCER_HOOKS_H
#define EK_BALANCER_HOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/dns.h"
#include "ruleset.h"
#include "tags.h"

/* What is to be probed, as a checkFunction may change it. */
struct bal_hook_probe {
	uint8_t name[DNS_NAME_MAX];    /* wire form */
	size_t name_len;
	uint16_t type, class;
	uint16_t flags;                /* the 16 bits after the ID: DNS_RD... */
};

/* A query that wants a server. Pointers are good for the call. */
struct bal_hook_query {
	const uint8_t *name;           /* wire form */
	size_t name_len;
	uint16_t type, class;
	uint16_t id, flags;            /* the client's; the 16 bits after the ID */
	bool tcp;
	const struct ep *peer, *local; /* the client, and what it asked */
	const uint8_t *message;        /* all of it; NULL at a later try over TCP */
	size_t len, end;               /* of the message; where its question ends */
	const struct tags *tags;       /* that rules gave it; NULL: none do */
};

/* A query or an answer that a function of a rule looks at. Pointers are good for the call. */
struct bal_hook_rule {
	struct bal_hook_query q;       /* flags: the message's; ID and client: the query's */
	bool answer;
	/* as the function leaves them */
	uint16_t flags;
	bool skip_cache;
	uint32_t failure_s;            /* as in struct rule_said */
	struct bal_ecs_said ecs;
	struct tags *tags;             /* those of q; more may be added. NULL: to be read alone */
	/*
	 * What it wants done: any but those that need a limit or a log. Addresses of BAL_ACT_SPOOF
	 * and data of BAL_ACT_SPOOF_RAW are at these, good until the next call.
	 */
	struct bal_action action;
	const struct ip *address;
	const uint8_t *data;
};

enum {
	BAL_HOOK_NONE = -1,            /* the function says that no server is to have it */
	BAL_HOOK_FAILED = -2,          /* the function failed */
};

struct bal_hooks {
	void *arg;
	/*
	 * A policy's choice among server[0..n), by index in the configuration, whether they are up
	 * or not. Returns such an index, of these or of others, or BAL_HOOK_NONE or _FAILED.
	 */
	int (*pick)(void *arg, unsigned function, const struct bal_hook_query *q,
	            const uint16_t *server, unsigned n);
	/* False: the function failed, and the probe is as it was. */
	bool (*check)(void *arg, unsigned function, struct bal_hook_probe *p);
	/* Whether a rule's selector matches: 1 or 0; BAL_HOOK_FAILED. */
	int (*match)(void *arg, unsigned function, struct bal_hook_rule *m);
	/* What a rule does, in m->action. False: the function failed; m is as it was. */
	bool (*act)(void *arg, unsigned function, struct bal_hook_rule *m);
};

#endif
