/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The core of evenkeel replay under any order of polls, answers right and wrong or of any bytes,
 * connections that fail and time that jumps. A memory of what was sent says what may be taken for
 * an answer.
 */
#include <stdlib.h>

#include "tests/replay_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { QUERIES = 40, MEMORY = 64, GARBAGE_MAX = 40, CHECKED = 16 };
enum wrong { RIGHT, ID, NAME, TYPE, NO_ANSWER, SHORT, LATE, WRONGS };

struct sent {
	struct dgram d;
	uint8_t bytes[RIG_MESSAGE];
	bool settled;
};

static struct replay_rig rig;
static struct sent sent[MEMORY];
static unsigned sent_n, given;
static int64_t now_ns;

static void poll_some(unsigned max)
{
	unsigned n = replay_poll(rig.r, now_ns, rig.d, 1 + max % RIG_BATCH);

	for (unsigned i = 0; i < n; i++) {
		const struct dgram *d = &rig.d[i];
		struct sent *s = &sent[sent_n % MEMORY];
		if (d->verdict != REPLAY_SEND) {
			MUST(d->verdict == REPLAY_CLOSE || d->verdict == REPLAY_OPEN);
			MUST(d->conn >= 1 && d->conn <= REPLAY_CONNECTIONS);
			continue;
		}
		MUST(d->t_ns <= now_ns && d->len <= RIG_MESSAGE);
		MUST(rig_number(d) == given++ % QUERIES && d->port < REPLAY_SOCKETS);
		*s = (struct sent){ .d = *d };
		s->d.t_ns = now_ns;
		memcpy(s->bytes, d->data, d->len);
		sent_n++;
	}
}

static void answer(uint8_t which, enum wrong w)
{
	struct sent *s = &sent[which % MEMORY];
	uint8_t bytes[RIG_MESSAGE];
	struct dgram d = s->d;

	if (which % MEMORY >= sent_n)
		return;
	memcpy(bytes, s->bytes, d.len);
	d.data = bytes;
	rig_answer(&d, now_ns, 0);
	d.data[0] ^= w == ID;
	d.data[DNS_HEADER + 1] ^= w == NAME;
	d.data[d.len - 3] ^= w == TYPE;
	d.data[2] ^= w == NO_ANSWER ? 0x80 : 0;
	d.len = w == SHORT ? DNS_HEADER - 1 : d.len;
	d.t_ns += w == LATE ? rig.o.timeout_ns : 0;
	replay_rx(rig.r, now_ns, &d, 1);
	MUST(d.verdict == REPLAY_ANSWERED || d.verdict == REPLAY_UNMATCHED ||
	     d.verdict == REPLAY_BROKEN);
	/* With another ID it may be the answer to the same query of another loop. */
	MUST(d.verdict != REPLAY_ANSWERED || w == ID || (w == RIGHT && !s->settled));
	s->settled = s->settled || d.verdict == REPLAY_ANSWERED;
}

/* Bytes from somebody else. */
static void garbage(const uint8_t *p, size_t n)
{
	uint8_t *exact = malloc(n > 0 ? n : 1);
	struct dgram d = { .data = exact, .len = (uint16_t)n, .cap = (uint16_t)n, .t_ns = now_ns };

	MUST(exact != NULL);
	memcpy(exact, p, n);
	d.port = n > 3 ? p[3] : 0;
	d.conn = n > 4 ? p[4] : 0;
	d.proto = n > 5 && p[5] % 2 ? DGRAM_TCP : DGRAM_UDP;
	replay_rx(rig.r, now_ns, &d, 1);
	free(exact);
}

static void fail(uint8_t which)
{
	const struct sent *s = &sent[which % MEMORY];

	if (which % MEMORY >= sent_n)
		return;
	if (s->d.proto == DGRAM_TCP)
		replay_tcp_failed(rig.r, s->d.conn);
	else
		replay_unsent(rig.r, s->d.port, dns_id(s->bytes));
}

static void step(const uint8_t *op, size_t left)
{
	switch (op[0] % 7) {
	case 0: now_ns += (int64_t)op[1] * RIG_MS; break;
	case 1: case 2: poll_some(op[1]); break;
	case 3: case 4: answer(op[1], op[2] % WRONGS); break;
	case 5: fail(op[1]); break;
	case 6:
		garbage(op, left < GARBAGE_MAX ? left : GARBAGE_MAX);
		if (op[1] == 255)
			replay_stop(rig.r);
	}
}

/* After everything: nothing may be left pending. */
static void drain(void)
{
	while (!replay_done(rig.r)) {
		now_ns += 10000 * RIG_MS;
		poll_some(RIG_BATCH - 1);
		replay_check(rig.r);
	}
	MUST(rig_counts(&rig).open == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 8 || size > 3000)
		return 0;
	rig_init(&rig);
	for (unsigned i = 0; i < QUERIES; i++)
		rig_add(&rig, (int64_t)(i * (data[0] % 8)) * RIG_MS, i % (1 + data[1] % 4), 1,
		        (uint16_t)(i % (1 + data[2] % 8)),
		        i % (1 + data[3] % 4) == 0 ? 0 : 1 + i % (1 + data[4] % 6));
	rig.o.pace.loops = 1 + data[5] % 4;
	rig.o.max = data[6] % 4 == 0;
	rig.o.in_flight = 1 + data[7] % 64;
	rig.o.rate = data[6] % 4 == 1 ? 1 + data[7] : 0;
	rig_start(&rig);
	now_ns = RIG_T0;
	sent_n = given = 0;
	for (size_t i = 8; i + 3 <= size; i += 3) {
		step(data + i, size - i);
		if (i % (3 * CHECKED) == 2) /* it looks at all sockets */
			replay_check(rig.r);
	}
	drain();
	rig_fini(&rig);
	return 0;
}
