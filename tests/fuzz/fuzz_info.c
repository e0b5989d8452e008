/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any messages at any times into info: each query comes to exactly one end, each answer too, and
 * lists and bins add up. The input is records of eight bytes (time, who, what, length) and a
 * message. The bug that EK_PLANT plants loses count of queries that come again over TCP.
 */
#include <string.h>

#include "lib/host/host.h"
#include "sim/info/core/info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 8 };

/* Gives one message to info; its time is the one before's and something, or back. */
static void give(struct info *i, int64_t *t_ns, const uint8_t *head, const uint8_t *m, uint16_t len)
{
	struct capture_message out = { .m = m, .len = len, .tcp = (head[4] & 1) != 0,
	                               .connection = head[4] & 1 };
	struct ep client = { ip_v4(10, 0, 0, head[3] & 7), 1000 };
	struct ep server = { ip_v4(192, 0, 2, head[3] >> 3 & 3), 53 };

	*t_ns += (int64_t)dns_get16(head) << (head[2] % 40);
	*t_ns -= head[2] & 128 ? *t_ns / 3 : 0;
	*t_ns = *t_ns < 0 || *t_ns > INT64_MAX / 2 ? INT64_MAX / 2 : *t_ns;
	out.t_ns = *t_ns;
	out.answer = (dns_flags(m) & DNS_QR) != 0;
	out.src = out.answer ? server : client;
	out.dst = out.answer ? client : server;
	out.asks = dns_question(&out.question, m, len) == 0;
	info_add(i, &out);
}

static void must_add_up(const struct info *i)
{
	uint64_t bins = 0, types = 0, names = 0, rcodes = 0, servers = 0;

	MUST(i->queries == i->answered + i->unanswered + i->open + i->again + i->forgotten);
	MUST(i->answers == i->answered + i->unasked && i->times.n == i->answered);
	MUST(i->exchanges == i->queries - i->again + i->unasked);
	for (unsigned b = 0; b < INFO_BINS; b++)
		bins += i->bin[b];
	for (unsigned t = 0; t <= UINT16_MAX; t++)
		types += i->type[t];
	for (unsigned r = 0; r < INFO_RCODES; r++)
		rcodes += i->rcode[r];
	for (uint32_t s = 0; s < i->names.table.used; s++)
		names += i->names.slot[s].count;
	for (uint32_t s = 0; s < i->servers.table.used; s++)
		servers += i->server[s].answered + i->server[s].unanswered;
	MUST(bins == i->queries && rcodes == i->answers);
	MUST(types == i->exchanges - i->unreadable && names == types);
	MUST(servers == i->answered + i->unanswered);
	MUST(i->first_ns <= i->last_ns && i->waiting.used == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	int64_t t_ns = 0;

	MUST(host_arena(&a, info_arena_size()) == 0);
	struct info *i = info_init(&a, 1);
	arena_seal(&a);
	while (size >= HEAD + DNS_HEADER) {
		size_t len = DNS_HEADER + data[5] % 64;
		len = len < size - HEAD ? len : size - HEAD;
		give(i, &t_ns, data, data + HEAD, (uint16_t)len);
		data += HEAD + len;
		size -= HEAD + len;
	}
	info_end(i);
	must_add_up(i);
	host_arena_free(&a);
	return 0;
}
