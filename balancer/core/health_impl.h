/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the health core share: health.c checks, health_succeed.c takes over. */
#ifndef EK_BALANCER_HEALTH_IMPL_H
#define EK_BALANCER_HEALTH_IMPL_H

#include "health.h"
#include "lib/drbg.h"
#include "lib/heap.h"

struct probe {
	int64_t until_ns;       /* fails then */
	uint32_t conn;          /* its number, from 1 */
	uint16_t id;
	uint64_t question;      /* its hash, where a function has said what to ask */
};

/* One server's check. */
struct target {
	struct probe *pending;  /* oldest first */
	unsigned pending_n, pending_cap;
	uint32_t last_conn;
	uint32_t failures;      /* in a row, while up */
	uint32_t successes;     /* in a row, while down */
	uint32_t lost;          /* lazy: probes since it is down, or since its last success */
	bool suspect;           /* lazy: up, and probed because queries fail */
	enum bal_check_mode mode;
	bool spread;            /* the probe after the first, which sets the phase, is planned */
	bool due;               /* defects alone look at it: its next probe is planned */
	bool known, up;
	bool told, told_up;     /* what health_next_change has said */
	bool queued;            /* stands in the queue of changes */
	int64_t changed_ns;
};

struct health {
	const struct bal_conf *conf;
	struct bal_shared *shared;
	struct target *target;
	unsigned unknown_n;     /* servers in auto mode without a result */
	unsigned queue_first, queue_n;
	uint16_t *queue;        /* ring of servers that have changed, each at most once */
	const struct bal_hooks *hooks; /* NULL: no server has a function */
	uint64_t key;           /* of the questions' hashes */
	struct heap timers;     /* what: server << 32 | conn; conn 0: a probe is due */
	struct drbg random;
};

/* A timer of server: conn 0: its next probe; else the end of that probe. */
void health_plan(struct health *h, int64_t t_ns, unsigned server, uint32_t conn);
/* Forgets all timers of server. */
void health_drop_timers(struct health *h, unsigned server);
/* Forgets the first timers as long as they mean nothing any more. */
void health_prune(struct health *h);

#endif
