/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which defects of defect.def are on. Only in builds with EK_DEFECTS (make MODE=defects), which are
 * for tests of tests: HAS_DEFECT is false in all others, so that their objects have none of it.
 */
#ifndef EK_DEFECT_H
#define EK_DEFECT_H

#include <stdbool.h>
#include <stdint.h>

enum defect {
#define DEFECT(id, name, where, value, low, high, prose) id,
#include "defect.def"
#undef DEFECT
	DEFECTS,
};

struct defects {
	uint64_t on;                /* bits by enum defect */
	uint32_t value[DEFECTS];
};

#ifdef EK_DEFECTS
/* conf: a struct bal_conf; its defects may be NULL: none is on. */
#define HAS_DEFECT(conf, id) ((conf)->defects != NULL && ((conf)->defects->on >> (id) & 1) != 0)
#define DEFECT_VALUE(conf, id) ((conf)->defects->value[id])
#else
#define HAS_DEFECT(conf, id) ((void)(conf), false)
#define DEFECT_VALUE(conf, id) ((void)(conf), 1u)
#endif

#endif
