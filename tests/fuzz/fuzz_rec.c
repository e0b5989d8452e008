/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the recursor stub's core with a series of steps: one byte of what (0 UDP, 1 TCP, 2...
 * switch a fault on or off), two of milliseconds that pass, two of length, and the message. What
 * leaves must be what the judge calls right, unless a fault is on. The bug that EK_PLANT plants
 * takes the newest of a bucket out of the waiting ones instead of the one that is due.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/host/host.h"
#include "recursor-stub/core/rec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MS = 1000000, STEP = 5 };

static struct rec_conf conf;
static struct rec_shared *shared;
static struct rec *rec;
static bool faulty;

static void set_up(void)
{
	static struct arena arena, dist_arena;
	static struct dist miss;
	const struct dist_spec spec = { DIST_UNIFORM, 0, 20 * MS };
	const uint8_t seed[32] = { 3 };

	rec_conf_init(&conf);
	conf.packetcache_entries = 8;
	conf.cache_entries = 8;
	conf.waiting = 4;
	size_t need = rec_shared_arena_size(&conf) + rec_arena_size(&conf);
	if (arena.base == NULL) {
		MUST(host_arena(&arena, need) == 0);
		MUST(host_arena(&dist_arena, dist_arena_size(&spec)) == 0);
		dist_init(&miss, &spec, &dist_arena);
	}
	memset(arena.base, 0, need);
	arena_init(&arena, arena.base, need);
	conf.miss = &miss;
	shared = rec_shared_init(&arena, &conf, seed);
	rec = rec_init(&arena, &conf, shared, seed, 0);
	faulty = false;
}

static void look(const struct dgram *d)
{
	enum rec_match m = rec_answer_match(d->data, d->len);

	MUST(faulty || m <= REC_ERROR);
	MUST(m != REC_RIGHT || rec_answer_match_resolved(d->data, d->len) == REC_RIGHT);
	MUST(faulty || m != REC_TRUNCATED || d->proto == DGRAM_UDP);
	MUST(d->len <= d->cap);
}

static void poll_all(int64_t now_ns)
{
	static uint8_t buf[REC_ANSWER_MAX];
	struct dgram d = { .data = buf, .cap = sizeof(buf) };

	while (rec_poll(rec, now_ns, &d, 1) == 1)
		look(&d);
}

static void give(int64_t now_ns, bool tcp, const uint8_t *p, uint16_t len)
{
	uint8_t *m = malloc(REC_ANSWER_MAX);
	struct dgram d = { .data = m, .len = len, .cap = REC_ANSWER_MAX, .proto = tcp };

	MUST(m != NULL);
	memcpy(m, p, len);
	(void)rec_answer_match_resolved(m, len); /* what a stranger's answer may say */
	d.peer = (struct ep){ ip_v4(127, 0, 0, 1), 9 };
	rec_rx(rec, now_ns, &d, 1);
	MUST(d.verdict > REC_NO_VERDICT && d.verdict < REC_VERDICTS);
	if (rec_verdict_sends((enum rec_verdict)d.verdict))
		look(&d);
	free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t now_ns = 0;

	set_up();
	while (size >= STEP) {
		uint16_t len = dns_get16(data + 3);
		now_ns += (int64_t)dns_get16(data + 1) * MS;
		poll_all(now_ns);
		len = len < size - STEP ? len : (uint16_t)(size - STEP);
		len = len < REC_ANSWER_MAX ? len : REC_ANSWER_MAX;
		if (data[0] < 2)
			give(now_ns, data[0] == 1, data + STEP, len);
		else
			rec_fault(shared, data[0] % REC_FAULTS, data[0] < 128 ? 500000 : 0, MS);
		faulty = faulty || data[0] >= 2;
		rec_check(rec);
		data += STEP + len;
		size -= (size_t)STEP + len;
	}
	poll_all(INT64_MAX);
	rec_check(rec);
	return 0;
}
