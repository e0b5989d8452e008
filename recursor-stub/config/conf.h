/* SPDX-License-Identifier: BSD-3-Clause */
/* What the settings mean: where to listen, whom to serve, and the core's configuration. */
#ifndef EK_STUB_CONF_H
#define EK_STUB_CONF_H

#include "lib/addr.h"
#include "lib/dist.h"
#include "recursor-stub/core/rec.h"
#include "settings.h"

enum { CONF_PATH_BYTES = 4096, CONF_LISTEN_MAX = 64, CONF_ALLOW_MAX = 4096 };

struct stub_conf {
	struct rec_conf rec;            /* its miss and book are set by whoever makes them */
	struct rec_allow allow[CONF_ALLOW_MAX];
	struct ep listen[CONF_LISTEN_MAX];
	unsigned listen_n;
	unsigned threads;
	bool non_local_bind;
	unsigned tcp_clients;           /* over all threads */
	unsigned tcp_concurrent;        /* queries that wait, per connection */
	uint64_t tcp_queries;           /* per connection; 0: any number */
	int64_t tcp_timeout_ns;
	struct dist_spec miss;
	bool seeded;
	uint64_t seed;
	uint32_t fault_ppm[REC_FAULTS];
	int64_t slow_ns;
	char answers[CONF_PATH_BYTES];  /* capture, which the caller reads into rec.book; "" */
};

/* Returns 0, or -EINVAL with s->error set. c is large: not for the stack. */
int conf_read(struct stub_conf *c, struct settings *s) MUST_CHECK;

/* "20ms", "1.5s", "100us", "7ns"; digits alone are refused but for 0. Returns 0 or -EINVAL. */
int conf_time(int64_t *ns, const char *text) MUST_CHECK;
/* "0.25" to 250,000; 0 to 1, six decimals. Returns 0 or -EINVAL. */
int conf_ppm(uint32_t *ppm, const char *text) MUST_CHECK;
/* The fault of that name, or -EINVAL. */
int conf_fault(const char *name) MUST_CHECK;

#endif
