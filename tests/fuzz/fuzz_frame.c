/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a frame: nothing is read outside of it, and what is claimed lies inside. */
#include <stddef.h>
#include <stdint.h>

#include "sim/net/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame f;
	struct ip dst;

	if (frame_parse(&f, data, size) == 0 && f.payload != NULL) {
		MUST(f.kind != FRAME_OTHER);
		MUST(f.payload >= data && f.payload + f.payload_len <= data + size);
		MUST(frame_dst(&dst, data, size) == 0 && ip_eq(&dst, &f.dst.ip));
	}
	if (frame_sums_right(data, size))
		MUST(frame_parse(&f, data, size) == 0);
	return 0;
}
