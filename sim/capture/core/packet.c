/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of what can become of a packet; see packet.h. */
#include "packet.h"

const struct capture_count_row capture_count_row[CAPTURE_COUNTS] = {
#define COUNT(id, kind, name, prose) [CAPTURE_##id] = { CAPTURE_##kind, name, prose },
#include "count.def"
#undef COUNT
};
