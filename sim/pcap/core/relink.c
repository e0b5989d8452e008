/* SPDX-License-Identifier: BSD-3-Clause */
/* Link layers exchanged; see relink.h. */
#include "relink.h"

#include <errno.h>
#include <string.h>

#include "lib/dns.h"
#include "sim/capture/core/layer.h"

enum { TYPE_IP4 = 0x0800, TYPE_IP6 = 0x86dd };

static void strip(struct capture_packet *p, uint32_t n)
{
	p->bytes += n;
	p->len -= n;
	p->wire_len -= n;
}

int relink(struct capture_packet *p, uint16_t link, uint8_t *out, size_t cap)
{
	if (p->link == link)
		return 0;
	int skip = layer_skip(p->link, p->bytes, p->len);
	if (skip < 0 || (uint32_t)skip == p->len || (link != LINK_RAW && link != LINK_ETHERNET))
		return -ENOTSUP;
	strip(p, (uint32_t)skip);
	p->link = link;
	if (link == LINK_RAW)
		return 0;
	if (cap < RELINK_MORE || p->len > cap - RELINK_MORE)
		return -ENOSPC;
	memset(out, 0, RELINK_MORE);
	dns_put16(out + RELINK_MORE - 2, p->bytes[0] >> 4 == 6 ? TYPE_IP6 : TYPE_IP4);
	memcpy(out + RELINK_MORE, p->bytes, p->len);
	p->bytes = out;
	p->len += RELINK_MORE;
	p->wire_len += RELINK_MORE;
	return 0;
}
