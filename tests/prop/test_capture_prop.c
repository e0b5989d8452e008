/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * However a stream is cut into segments, swapped, sent again and overlapped, its messages are the
 * same; however a packet is cut into fragments, too. And whatever is broken in a capture, each
 * packet counts once, and reading it in other pieces gives the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/drbg.h"
#include "sim/capture/core/format.h"
#include "tests/unit/dissect_rig.h"

enum { SEEDS = 200, MESSAGES = 24, BYTES_MAX = MESSAGES * 3002 };

static uint64_t below(struct drbg *r, uint64_t n)
{
	return drbg_below(r, n);
}

static struct drbg random_of(unsigned seed)
{
	uint8_t bytes[DRBG_SEED];
	struct drbg r;

	drbg_seed_from_u64(bytes, seed);
	drbg_init(&r, bytes, DRBG_TEST, 0);
	return r;
}

/* ---- streams ---- */

/* Messages of random bytes and sizes behind a DNS header; IDs from 1 on. */
static uint32_t random_stream(struct drbg *r, uint8_t out[BYTES_MAX])
{
	uint32_t n = 0;

	for (uint16_t i = 1; i <= MESSAGES; i++) {
		uint16_t len = (uint16_t)(DNS_HEADER + below(r, below(r, 4) == 0 ? 2900 : 80));
		dns_put16(out + n, len);
		for (uint32_t k = 2; k < len + 2u; k++)
			out[n + k] = (uint8_t)below(r, 256);
		dns_put16(out + n + 2, i);
		n += len + 2u;
	}
	return n;
}

struct segment {
	uint32_t at, n;
};

/* Cuts 0...n up, sends some parts again, some with their neighbours, and swaps what is near. */
static unsigned random_segments(struct drbg *r, uint32_t n, struct segment *out, unsigned max)
{
	uint32_t most = (uint32_t[]){ 3, 60, 536, 1460, 9000 }[below(r, 5)];
	unsigned count = 0;

	most = most < n / 300 ? n / 300 : most;
	for (uint32_t at = 0; at < n; count++) {
		uint32_t len = 1 + (uint32_t)below(r, most);
		MUST(count + 1 < max);
		len = len < n - at ? len : n - at;
		out[count] = (struct segment){ at, len };
		at += len;
		if (below(r, 8) == 0) { /* the same and some more, or some less, again */
			uint32_t back = (uint32_t)below(r, 2 * len + 1);
			back = back < at ? back : at;
			uint32_t from = at - back, more = 1 + (uint32_t)below(r, 2 * len);
			out[++count] = (struct segment){ from, more < n - from ? more : n - from };
		}
	}
	for (unsigned i = 0; i < count; i++) { /* within groups, so that nothing comes too late */
		unsigned group = i / 16 * 16, in_group = count - group < 16 ? count - group : 16;
		unsigned with = group + (unsigned)below(r, in_group);
		struct segment s = out[i];
		out[i] = out[with];
		out[with] = s;
	}
	return count;
}

struct seen {
	const uint8_t *stream;
	uint32_t at;         /* where the next message must be */
	unsigned n;
};

static void see(struct dissect *d, struct seen *s, unsigned seed)
{
	struct capture_message m;

	while (dissect_next(d, &m)) {
		uint16_t len = dns_get16(s->stream + s->at);
		if (m.len != len || memcmp(m.m, s->stream + s->at + 2, len) != 0)
			fail_msg("seed %u: message %u isn't what was sent", seed, s->n + 1);
		s->at += len + 2u;
		s->n++;
	}
}

static void any_cut_of_a_stream_gives_its_messages(void **state)
{
	static uint8_t stream[BYTES_MAX], frame[MADE_FRAME_MAX];
	static struct segment cut[4096];
	(void)state;

	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct drbg r = random_of(seed);
		struct dissect_rig g;
		struct seen seen = { .stream = stream };
		uint32_t n = random_stream(&r, stream), first = (uint32_t)drbg_u64(&r);
		unsigned cuts = random_segments(&r, n, cut, COUNT_OF(cut));
		dissect_rig_init(&g, &(struct dissect_options){ .connections = 4, .blocks = 256 });
		struct capture_packet p = { .t_ns = 1, .bytes = frame, .link = LINK_ETHERNET };
		for (unsigned i = 0; i <= cuts; i++) {
			const struct segment *c = &cut[i > 0 ? i - 1 : 0];
			bool syn = i == 0;
			p.len = (uint32_t)made_tcp(frame, "192.0.2.9:999", "192.0.2.3:53",
			                           syn ? 2 : 16, first + (syn ? 0 : 1 + c->at),
			                           stream + c->at, syn ? 0 : c->n);
			p.wire_len = p.len;
			dissect_packet(g.d, &p, 0);
			see(g.d, &seen, seed);
		}
		if (seen.n != MESSAGES)
			fail_msg("seed %u: %u messages of %u, %u gaps", seed, seen.n, MESSAGES,
			         (unsigned)dissect_counts(g.d)[CAPTURE_TCP_GAP]);
		dissect_end(g.d);
		assert_int_equal(dissect_counts(g.d)[CAPTURE_TCP_OPEN], 0);
		assert_int_equal(dissect_counts(g.d)[CAPTURE_TCP_GAP], 0);
		dissect_rig_fini(&g);
	}
}

static void any_cut_of_a_packet_gives_its_message(void **state)
{
	static uint8_t m[4096], frame[MADE_FRAME_MAX], piece[MADE_FRAME_MAX];
	struct dissect_rig g;
	(void)state;

	dissect_rig_init(&g, &(struct dissect_options){ .fragmented = 4, .blocks = 256 });
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct drbg r = random_of(seed);
		bool v6 = below(&r, 2) == 1;
		size_t len = DNS_HEADER + below(&r, sizeof(m) - DNS_HEADER);
		for (size_t i = 0; i < len; i++)
			m[i] = (uint8_t)below(&r, 256);
		size_t all = made_udp(frame, v6 ? "[2001:db8::9]:999" : "192.0.2.9:999",
		                      v6 ? "[2001:db8::3]:53" : "192.0.2.3:53", m, len);
		size_t part = 8 * (1 + below(&r, 80)), pieces = (len + 8 + part - 1) / part;
		size_t start = below(&r, pieces);
		struct capture_message got;
		unsigned n = 0;
		for (size_t i = 0; i < pieces && pieces > 1; i++) {
			size_t at = part * ((start + i) % pieces);
			struct capture_packet p = { .t_ns = 1, .bytes = piece,
			                            .link = LINK_ETHERNET };
			p.len = p.wire_len = (uint32_t)made_fragment(piece, frame, all, at, part);
			dissect_packet(g.d, &p, 0);
			for (; dissect_next(g.d, &got); n++)
				if (got.len != len || memcmp(got.m, m, len) != 0)
					fail_msg("seed %u: another message", seed);
		}
		if (n != (pieces > 1))
			fail_msg("seed %u: %u messages", seed, n);
	}
	dissect_rig_fini(&g);
}

/* ---- broken captures ---- */

static void add_any(struct made *m, struct drbg *r, bool ng, const uint8_t *p, size_t n)
{
	if (ng)
		made_packet(m, 0, 1000, p, n, n);
	else
		made_record(m, (uint32_t)below(r, 100), 0, p, n, n);
}

/* A capture of all kinds of packets. */
static void random_capture(struct made *m, struct drbg *r)
{
	static uint8_t frame[MADE_FRAME_MAX], piece[MADE_FRAME_MAX];
	bool ng = below(r, 2) == 1;

	m->big = below(r, 2) == 1;
	if (ng) {
		made_section(m);
		made_interface(m, LINK_ETHERNET, 9, 0);
	} else {
		made_pcap(m, true, LINK_ETHERNET);
	}
	for (unsigned i = 0; i < 20; i++) {
		uint8_t q[514];
		bool v6 = below(r, 2) == 1, tcp = below(r, 2) == 1;
		uint16_t n = made_message(q + 2, (uint16_t)i, DNS_RD, "name.example");
		const char *c = v6 ? "[2001:db8::9]:999" : "192.0.2.9:999";
		const char *s = v6 ? "[2001:db8::3]:53" : "192.0.2.3:53";
		dns_put16(q, n);
		size_t len = tcp ? made_tcp(frame, c, s, 16, i * (n + 2u), q, n + 2u)
		                 : made_udp(frame, c, s, q + 2, n);
		if (below(r, 3) > 0) {
			add_any(m, r, ng, frame, len);
			continue;
		}
		for (size_t at = 0; at < len - MADE_ETHERNET - (v6 ? 40 : 20); at += 16)
			add_any(m, r, ng, piece, made_fragment(piece, frame, len, at, 16));
	}
}

struct sum {
	uint64_t packets, messages, hash, verdicts;
	int result;
};

static struct sum sum_of(const struct made *m, size_t step)
{
	static struct format format;
	struct dissect_rig g;
	struct sum s = { 0 };
	size_t at = 0, have = 0;

	dissect_rig_init(&g, &(struct dissect_options){ .connections = 4, .fragmented = 4,
	                                                .blocks = 128 });
	format_init(&format);
	for (;;) {
		struct capture_packet p;
		struct capture_message out;
		bool last = at + have == m->n;
		s.result = format_next(&format, m->p + at, have, last, &p);
		if (s.result < 0 || (s.result == 0 && last))
			break;
		at += (size_t)s.result;
		have -= (size_t)s.result;
		if (s.result == 0)
			have += step < m->n - at - have ? step : m->n - at - have;
		if (s.result == 0 || p.bytes == NULL)
			continue;
		s.packets++;
		dissect_packet(g.d, &p, 0);
		for (; dissect_next(g.d, &out); s.messages++)
			s.hash = dns_hash(out.m, out.len, s.hash + out.packet);
	}
	dissect_end(g.d);
	for (unsigned i = 0; i < CAPTURE_COUNTS; i++)
		if (capture_count_row[i].kind != CAPTURE_LOST)
			s.verdicts += dissect_counts(g.d)[i];
	dissect_rig_fini(&g);
	return s;
}

static void whatever_is_broken_each_packet_counts_once(void **state)
{
	uint64_t messages = 0;
	(void)state;

	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct drbg r = random_of(seed);
		struct made m = { 0 };
		random_capture(&m, &r);
		for (uint64_t flips = below(&r, 30); flips > 0; flips--)
			m.p[below(&r, m.n)] ^= (uint8_t)(1u << below(&r, 8));
		m.n -= below(&r, 4) == 0 ? below(&r, m.n) : 0;
		struct sum whole = sum_of(&m, m.n), cut = sum_of(&m, 1 + below(&r, 100));
		if (whole.verdicts != whole.packets || whole.packets != cut.packets ||
		    whole.messages != cut.messages || whole.hash != cut.hash ||
		    whole.result != cut.result)
			fail_msg("seed %u", seed);
		messages += whole.messages;
		made_free(&m);
	}
	assert_true(messages > SEEDS); /* not all of it is broken */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_cut_of_a_stream_gives_its_messages),
		cmocka_unit_test(any_cut_of_a_packet_gives_its_message),
		cmocka_unit_test(whatever_is_broken_each_packet_counts_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
