/* SPDX-License-Identifier: BSD-3-Clause */
/* A span of a capture's time, as --cut names it; and points of time, as it and --start do. */
#ifndef EK_PCAP_CUT_H
#define EK_PCAP_CUT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/must.h"

/* A point of time: ns of Unix time, or behind the first packet. */
struct moment {
	bool absolute;
	int64_t ns;
};

struct cut {
	struct moment from, to; /* from counts, to doesn't any more */
};

/*
 * "90s" behind the first packet, with a unit as in scenarios; "@1700000000.25" in Unix time;
 * "2026-11-27T06:00:00.5Z". Returns 0 or -EINVAL.
 */
int moment_parse(struct moment *m, const char *text) MUST_CHECK;
/* "FROM..TO"; either may be left out. Returns 0, or -EINVAL, also for an empty span. */
int cut_parse(struct cut *c, const char *text) MUST_CHECK;
/* Unix time of a moment in a capture that begins at first_ns. */
int64_t moment_ns(const struct moment *m, int64_t first_ns);
/* Its ends are of both kinds, which cut_parse couldn't compare, and FROM isn't before TO. */
bool cut_is_empty(const struct cut *c, int64_t first_ns);
bool cut_has(const struct cut *c, int64_t first_ns, int64_t t_ns);

#endif
