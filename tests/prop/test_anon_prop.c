/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Anonymizing is one to one and keeps prefixes; it depends on the key alone, not on what came
 * before; and whatever way messages take through packets, a reader finds the same ones afterwards,
 * and nothing of the names and addresses is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/drbg.h"
#include "sim/pcap/core/permute.h"
#include "tests/unit/anon_rig.h"
#include "tests/unit/dissect_rig.h"

enum { SEEDS = 40, ADDRESSES = 300, NAMES = 2000, MESSAGES = 12, PACKETS = 400 };

static struct drbg random_of(unsigned seed)
{
	uint8_t bytes[DRBG_SEED];
	struct drbg r;

	drbg_seed_from_u64(bytes, seed);
	drbg_init(&r, bytes, DRBG_TEST, 0);
	return r;
}

/* Of half the seeds. */
static const struct permute_kept kept[] = {
	{ "\1a\2bc", 6 }, { "\2ab", 4 },
};

static struct permute *permutation(struct arena *a, unsigned seed)
{
	uint8_t key[PRF_KEY] = { 0 };

	dns_put32(key, seed);
	MUST(host_arena(a, permute_arena_size()) == 0);
	return permute_init(a, key, kept, seed % 2 * 2, seed);
}

/* ---- addresses ---- */

static unsigned common(const struct ip *a, const struct ip *b)
{
	unsigned n = 0;

	while (n < 128 && ((a->b[n / 8] ^ b->b[n / 8]) >> (7 - n % 8) & 1) == 0)
		n++;
	return n;
}

/* An address, often near one of those before, and of either family. */
static struct ip some_ip(struct drbg *r, const struct ip *before, unsigned n)
{
	static const uint8_t special[] = { 0, 10, 127, 169, 172, 192, 224, 255 };
	bool v4 = drbg_below(r, 2) == 0;
	struct ip ip;

	drbg_bytes(r, ip.b, 16);
	if (v4)
		ip = ip_v4(ip.b[0], ip.b[1], ip.b[2], ip.b[3]);
	if (drbg_below(r, 4) == 0)
		ip.b[v4 ? 12 : 0] = special[drbg_below(r, sizeof(special))];
	if (n > 0 && drbg_below(r, 2) == 0) {
		ip = before[drbg_below(r, n)];
		unsigned first = ip_is4(&ip) ? 96 : 0;
		unsigned bit = first + (unsigned)drbg_below(r, 128 - first);
		ip.b[bit / 8] ^= (uint8_t)(0x80 >> (bit % 8));
	}
	return ip;
}

static void two_addresses_have_as_much_in_common_as_before(void **state)
{
	static struct ip from[ADDRESSES], to[ADDRESSES];
	(void)state;

	for (unsigned seed = 0; seed < SEEDS; seed++) {
		struct drbg r = random_of(seed);
		struct arena a;
		struct permute *p = permutation(&a, seed);
		for (unsigned i = 0; i < ADDRESSES; i++) {
			from[i] = some_ip(&r, from, i);
			to[i] = permute_ip(p, &from[i]);
			for (unsigned k = 0; k < i; k++)
				if (common(&from[i], &from[k]) != common(&to[i], &to[k]))
					fail_msg("seed %u: addresses %u and %u", seed, i, k);
		}
		host_arena_free(&a);
	}
}

static void every_address_of_a_small_net_is_taken_once(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 4; seed++) {
		struct arena a;
		struct permute *p = permutation(&a, seed);
		bool seen[65536] = { false };
		for (unsigned i = 0; i < 65536; i++) {
			struct ip ip = ip_v4(203, 0, (uint8_t)(i >> 8), (uint8_t)i);
			ip = permute_ip(p, &ip);
			unsigned at = dns_get16(ip.b + 14);
			if (seen[at])
				fail_msg("seed %u: taken twice", seed);
			seen[at] = true;
		}
		host_arena_free(&a);
	}
}

/* ---- names ---- */

struct some_name {
	uint8_t len, wire[DNS_NAME_MAX];
};

/* One to three labels of few symbols, so that different names are alike. */
static struct some_name some_name(struct drbg *r)
{
	struct some_name n = { 0 };

	for (unsigned i = 1 + (unsigned)drbg_below(r, 3); i > 0; i--) {
		uint8_t len = (uint8_t)(1 + drbg_below(r, 1 + drbg_below(r, 12)));
		n.wire[n.len++] = len;
		while (len-- > 0)
			n.wire[n.len++] = (uint8_t)"abcdefghij012-_*\0 "[drbg_below(r, 18)];
	}
	n.len++;
	return n;
}

/* Sorted by either, equal ones lie beside each other. */
struct pair {
	struct some_name from, to;
};

static int by_to(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	return memcmp(&x->to, &y->to, sizeof(x->to));
}

static void different_names_stay_different_and_as_long(void **state)
{
	static struct pair pair[NAMES];
	(void)state;

	for (unsigned seed = 0; seed < SEEDS / 5; seed++) {
		struct drbg r = random_of(seed);
		struct arena a, b;
		struct permute *p = permutation(&a, seed), *fresh = permutation(&b, seed);
		for (unsigned i = 0; i < NAMES; i++) {
			struct some_name *n = &pair[i].from;
			*n = some_name(&r);
			pair[i].to = (struct some_name){ .len = n->len };
			permute_name(p, pair[i].to.wire, n->wire, n->len);
			for (unsigned at = 0; at < n->len; at += 1u + n->wire[at])
				assert_int_equal(pair[i].to.wire[at], n->wire[at]);
		}
		for (unsigned i = NAMES; i-- > 0;) {
			struct some_name again = { .len = pair[i].from.len };
			permute_name(fresh, again.wire, pair[i].from.wire, again.len);
			if (memcmp(&again, &pair[i].to, sizeof(again)) != 0)
				fail_msg("seed %u: name %u in another order", seed, i);
		}
		qsort(pair, NAMES, sizeof(*pair), by_to);
		for (unsigned i = 1; i < NAMES; i++)
			if (memcmp(&pair[i].to, &pair[i - 1].to, sizeof(pair[i].to)) == 0 &&
			    memcmp(&pair[i].from, &pair[i - 1].from, sizeof(pair[i].from)) != 0)
				fail_msg("seed %u: two names became one", seed);
		host_arena_free(&a);
		host_arena_free(&b);
	}
}

/* ---- packets ---- */

struct some_packet {
	uint8_t *p;
	size_t n;
};

struct traffic {
	struct some_packet packet[PACKETS];
	unsigned n;
	uint8_t frame[MADE_FRAME_MAX];
	uint8_t piece[MADE_FRAME_MAX];
};

static void add_packet(struct traffic *t, const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n);

	MUST(copy != NULL && t->n < PACKETS);
	memcpy(copy, p, n);
	t->packet[t->n++] = (struct some_packet){ copy, n };
}

/* Packets that are near change places, and some come twice. */
static void stir(struct traffic *t, struct drbg *r, unsigned from)
{
	unsigned n = t->n;

	for (unsigned i = from; i < n; i++)
		if (drbg_below(r, 5) == 0)
			add_packet(t, t->packet[i].p, t->packet[i].n);
	for (unsigned i = from; i + 1 < t->n; i++)
		if (drbg_below(r, 3) == 0) {
			struct some_packet was = t->packet[i];
			t->packet[i] = t->packet[i + 1];
			t->packet[i + 1] = was;
		}
}

/* An answer with a text, an address and a name in it; its length. */
static uint16_t some_answer(struct drbg *r, uint8_t out[1024], uint16_t id)
{
	char name[64];
	uint8_t wire[DNS_NAME_MAX];

	snprintf(name, sizeof(name), "telling%u.example.org", (unsigned)drbg_below(r, 1000));
	int n = dns_name_parse(wire, name);
	MUST(n > 0);
	n = dns_query(out, 1024, id, DNS_QR, wire, (size_t)n, DNS_TXT, DNS_IN, 0);
	MUST(n > 0);
	struct dns_writer w = { .m = out, .len = (size_t)n, .cap = 1024 };
	dns_put16(out + 6, 3);
	size_t at = dns_w_rr(&w, DNS_TXT, 60);
	dns_w_bytes(&w, "\7telling", 8);
	for (unsigned more = (unsigned)drbg_below(r, 500); more > 0; more -= more > 7 ? 8 : more)
		dns_w_bytes(&w, "\7telling", 8);
	dns_w_rr_end(&w, at);
	at = dns_w_rr(&w, DNS_A, 60);
	dns_w_bytes(&w, "\xc6\x33\x64\x4d", 4);
	dns_w_rr_end(&w, at);
	at = dns_w_rr(&w, DNS_CNAME, 60);
	dns_w_bytes(&w, "\7telling\xc0\x0c", 10);
	dns_w_rr_end(&w, at);
	MUST(!w.full);
	return (uint16_t)w.len;
}

#define SERVER "203.0.113.53:53"

static void over_udp(struct traffic *t, struct drbg *r, const uint8_t *m, size_t len,
                     const char *client)
{
	size_t n = made_udp(t->frame, SERVER, client, m, len);
	unsigned from = t->n;

	if (drbg_below(r, 2) == 0) {
		add_packet(t, t->frame, n);
		return;
	}
	t->frame[19] = (uint8_t)drbg_below(r, 256);
	for (size_t at = 0; at < n - 34; at += 64)
		add_packet(t, t->piece, made_fragment(t->piece, t->frame, n, at, 64));
	stir(t, r, from);
}

static void over_tcp(struct traffic *t, struct drbg *r, const uint8_t *s, size_t n,
                     const char *client)
{
	size_t step = 20 + drbg_below(r, 700);

	add_packet(t, t->frame, made_tcp(t->frame, SERVER, client, 18, 99, NULL, 0));
	unsigned from = t->n;
	for (size_t at = 0; at < n; at += step)
		add_packet(t, t->frame, made_tcp(t->frame, SERVER, client, 24,
		                                 (uint32_t)(100 + at), s + at,
		                                 step < n - at ? step : n - at));
	stir(t, r, from);
}

static void make_traffic(struct traffic *t, struct drbg *r)
{
	static uint8_t s[MESSAGES * 1026];
	size_t n = 0;

	t->n = 0;
	for (uint16_t id = 1; id <= MESSAGES; id++) {
		uint16_t len = some_answer(r, s + n + 2, id);
		dns_put16(s + n, len);
		if (drbg_below(r, 2) == 0) {
			char client[64];
			snprintf(client, sizeof(client), "198.51.100.%u:4000", id);
			over_udp(t, r, s + n + 2, len, client);
		} else {
			n += 2u + len;
		}
	}
	over_tcp(t, r, s, n, "198.51.100.200:4001");
}

static void free_traffic(struct traffic *t)
{
	for (unsigned i = 0; i < t->n; i++)
		free(t->packet[i].p);
}

/* What a reader makes of packets. */
static void read_packet(struct dissect_rig *d, int64_t t_ns, const uint8_t *p, size_t n)
{
	dissect_rig_cut(d, t_ns, LINK_ETHERNET, p, n, n);
}

/* A packet's pieces, put together. */
struct together {
	struct ip_body first;
	uint8_t p[2048];
	size_t len;         /* 0 until the last piece came */
};

static void put_together(struct together of[UINT8_MAX + 1], const struct ip_body *b, uint8_t id)
{
	struct together *w = &of[id];

	MUST(b->offset + b->len <= sizeof(w->p));
	memcpy(w->p + b->offset, b->p, b->len);
	if (b->offset == 0)
		w->first = *b;
	if (!b->more)
		w->len = b->offset + b->len;
}

/*
 * Checksums of packets that came in pieces are right. Pieces that came twice are the same twice
 * or, when the packet was whole already, left out.
 */
static void check_pieces(unsigned seed, const struct traffic *t, const struct anon_rig *out)
{
	static struct together of[UINT8_MAX + 1];
	struct ip_body b;

	memset(of, 0, sizeof(of));
	for (unsigned i = 0; i < out->n; i++) {
		const struct capture_packet *p = &out->out[i];
		MUST(frame_ip(&b, p->bytes + MADE_ETHERNET, p->len - MADE_ETHERNET) == 0);
		if (b.fragment)
			put_together(of, &b, t->packet[p->number - 1].p[MADE_ETHERNET + 19]);
	}
	for (unsigned id = 0; id <= UINT8_MAX; id++) {
		struct together *w = &of[id];
		if (w->len == 0)
			continue;
		uint16_t sum = dns_get16(w->p + 6);
		w->first.p = w->p;
		w->first.len = w->len;
		frame_sum_body(w->p, &w->first);
		if (dns_get16(w->p + 4) != w->len || dns_get16(w->p + 6) != sum)
			fail_msg("seed %u: client %u's pieces have a wrong checksum", seed, id);
	}
}

static void check_packets(unsigned seed, const struct traffic *t, const struct anon_rig *out,
                          struct dissect_rig *before, struct dissect_rig *after)
{
	char said[sizeof(before->said)];

	for (unsigned i = 0; i < t->n; i++)
		read_packet(before, i, t->packet[i].p, t->packet[i].n);
	for (unsigned i = 0; i < out->n; i++) {
		const struct capture_packet *p = &out->out[i];
		read_packet(after, p->t_ns, p->bytes, p->len);
		if (p->len != t->packet[p->number - 1].n || p->t_ns != (int64_t)p->number - 1)
			fail_msg("seed %u: packet %u has another length or time", seed, i);
		struct ip dst;
		struct frame f;
		bool piece = frame_parse(&f, p->bytes, p->len) == 0 && f.kind == FRAME_OTHER;
		if (frame_dst(&dst, p->bytes, p->len) < 0 ||
		    !(piece || frame_sums_right(p->bytes, p->len)))
			fail_msg("seed %u: packet %u has a wrong checksum", seed, i);
	}
	check_pieces(seed, t, out);
	snprintf(said, sizeof(said), "%s", dissect_said(before));
	if (strcmp(dissect_said(after), said) != 0)
		fail_msg("seed %u: other messages than before", seed);
	if (anon_rig_shows(out, "telling", 7) || anon_rig_shows(out, "example", 7) ||
	    anon_rig_shows(out, "\xc6\x33\x64", 3) || anon_rig_shows(out, "\xcb\0\x71\x35", 4))
		fail_msg("seed %u: something shows", seed);
}

static void same_packets(unsigned seed, const struct anon_rig *a, const struct anon_rig *b)
{
	if (a->n != b->n)
		fail_msg("seed %u: another number of packets", seed);
	for (unsigned i = 0; i < a->n; i++)
		if (a->out[i].len != b->out[i].len ||
		    memcmp(a->out[i].bytes, b->out[i].bytes, a->out[i].len) != 0)
			fail_msg("seed %u: packet %u differs", seed, i);
}

static void messages_are_the_same_whatever_packets_they_come_in(void **state)
{
	static struct traffic t;
	static struct anon_rig once, twice;
	static struct dissect_rig before, after;
	(void)state;

	for (unsigned seed = 0; seed < SEEDS; seed++) {
		struct drbg r = random_of(seed);
		make_traffic(&t, &r);
		anon_rig_init(&once, &(struct anon_options){ .seed = seed });
		anon_rig_init(&twice, &(struct anon_options){ .seed = seed + 1 });
		dissect_rig_init(&before, &(struct dissect_options){ 0 });
		dissect_rig_init(&after, &(struct dissect_options){ 0 });
		for (unsigned i = 0; i < t.n; i++) {
			anon_rig_frame(&once, i, t.packet[i].p, t.packet[i].n);
			anon_rig_frame(&twice, i, t.packet[i].p, t.packet[i].n);
		}
		anon_rig_end(&once);
		anon_rig_end(&twice);
		assert_true(anon_rig_conserves(&once));
		same_packets(seed, &once, &twice);
		check_packets(seed, &t, &once, &before, &after);
		anon_rig_fini(&once);
		anon_rig_fini(&twice);
		dissect_rig_fini(&before);
		dissect_rig_fini(&after);
		free_traffic(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_addresses_have_as_much_in_common_as_before),
		cmocka_unit_test(every_address_of_a_small_net_is_taken_once),
		cmocka_unit_test(different_names_stay_different_and_as_long),
		cmocka_unit_test(messages_are_the_same_whatever_packets_they_come_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
