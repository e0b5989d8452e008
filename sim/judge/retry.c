/* SPDX-License-Identifier: BSD-3-Clause */
/* Which forwards are second tries; see retry.h. */
#include "retry.h"

static const int64_t EARLY_NS = 2000000; /* timers of programs are no finer */

void retry_init(struct balancer *b)
{
	/* until its time is over, and the longest that anybody is late with that */
	aging_init(&b->retry, b->conf->udp_timeout_ns + BALANCER_STALE_NS);
}

void retry_free(struct balancer *b)
{
	aging_free(&b->retry);
}

static uint64_t key(uint64_t question, unsigned server)
{
	uint64_t k = (question ^ (server + 1) * UINT64_C(0x9e3779b97f4a7c15)) *
	             UINT64_C(0xd6e8feb86659fd93);

	return k != 0 ? k : 1;
}

bool retry_may_be(struct balancer *b, int64_t t_ns, uint64_t question, unsigned server)
{
	for (unsigned i = 0; i < b->conf->server_n && b->conf->udp_retry_ns > 0; i++) {
		const uint64_t *since = i != server ? aging_find(&b->retry, key(question, i)) :
		                                      NULL;
		if (since != NULL && t_ns - (int64_t)*since >= b->conf->udp_retry_ns - EARLY_NS)
			return true;
	}
	return false;
}

/* The first of those that wait stays. */
void retry_forward(struct balancer *b, int64_t t_ns, uint64_t question, unsigned server)
{
	if (b->conf->udp_retry_ns > 0 && aging_find(&b->retry, key(question, server)) == NULL)
		aging_put(&b->retry, t_ns, key(question, server), (uint64_t)t_ns);
}

void retry_answer(struct balancer *b, uint64_t question, unsigned server)
{
	uint64_t since;

	if (b->conf->udp_retry_ns > 0)
		(void)aging_take(&b->retry, key(question, server), &since);
}
