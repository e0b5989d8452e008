/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages in a stream of bytes; see stream.h. */
#include "stream.h"

#include "dns.h"

size_t stream_need(const uint8_t *p, size_t n)
{
	return n < STREAM_PREFIX ? STREAM_PREFIX : STREAM_PREFIX + (size_t)dns_get16(p);
}

size_t stream_first(const uint8_t *p, size_t n, const uint8_t **message, uint16_t *len)
{
	size_t need = stream_need(p, n);

#ifdef EK_PLANT /* what make fuzz must find: a message whose last byte hasn't come yet */
	if (n < STREAM_PREFIX || n + 1 < need)
#else
	if (n < STREAM_PREFIX || n < need)
#endif
		return 0;
	*message = p + STREAM_PREFIX;
	*len = (uint16_t)(need - STREAM_PREFIX);
	return need;
}

void stream_prefix(uint8_t out[STREAM_PREFIX], uint16_t len)
{
	dns_put16(out, len);
}
