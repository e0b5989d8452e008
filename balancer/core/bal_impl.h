/* SPDX-License-Identifier: BSD-3-Clause */
/* What bal.c and bal_count.c share: the balancer core itself. Not for anybody else. */
#ifndef EK_BALANCER_BAL_IMPL_H
#define EK_BALANCER_BAL_IMPL_H

#include "bal.h"
#include "cache.h"
#include "idtable.h"
#include "late.h"
#include "lib/drbg.h"
#include "policy.h"
#include "rules.h"

struct bal {
	const struct bal_conf *conf;
	struct bal_shared *shared;
	int64_t now_ns;            /* of the call at hand, never decreasing */
	int64_t delay_ns;          /* of the datagram at hand: its answer goes out so much later */
	uint64_t batch;            /* number of the batch: each policy looks once who is up */
	struct policy *policy;     /* by pool */
	struct idtable out;
	struct cache cache;
	struct rules rules;
	struct late late;
	struct drbg random;
	uint64_t count[BAL_VERDICTS];
	uint64_t received;
	uint64_t timeouts;
	struct bal_counts counts;
	struct bal_server_counts *server;
	struct tcp *tcp;           /* NULL: none */
};

#endif
