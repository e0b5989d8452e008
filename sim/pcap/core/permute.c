/* SPDX-License-Identifier: BSD-3-Clause */
/* Permutations of addresses, and bytes replaced; see permute.h. Names are permute_name.c's. */
#include "permute.h"

#include <string.h>

#include "lib/lru.h"
#include "permute_inner.h"

enum { ADDRESSES = 65536, NAMES = 16384, NAME_KEY = 256, MACS = 256, IP_BITS = 128, IP4_AT = 96 };

/* A range that means something. Its first keep bits stay as they are. */
struct special {
	uint8_t first[16];
	bool v4;
	uint8_t bits;       /* of first, which make the range */
	uint8_t keep;
};

/* RFC 6890's, and multicast. */
static const struct special special_row[] = {
	{ { 0 }, true, 8, 8 },                 /* this network */
	{ { 0 }, true, 32, 32 },               /* unspecified */
	{ { 10 }, true, 8, 8 },                /* private */
	{ { 127 }, true, 8, 32 },              /* loopback */
	{ { 169, 254 }, true, 16, 16 },        /* link-local */
	{ { 172, 16 }, true, 12, 12 },         /* private */
	{ { 192, 168 }, true, 16, 16 },        /* private */
	{ { 224 }, true, 4, 32 },              /* multicast */
	{ { 240 }, true, 4, 4 },               /* reserved */
	{ { 255, 255, 255, 255 }, true, 32, 32 }, /* broadcast */
	{ { 0 }, false, 127, 128 },            /* unspecified, loopback */
	{ { 0x20 }, false, 3, 3 },             /* global unicast */
	{ { 0xfc }, false, 7, 8 },             /* unique local */
	{ { 0xfe, 0x80 }, false, 10, 64 },     /* link-local */
	{ { 0xff }, false, 8, 16 },            /* multicast: flags and scope */
};

struct permute {
	struct prf ip[2];           /* IPv6's, IPv4's */
	struct prf name, mac, bytes;
	struct permute_kept kept[PERMUTE_KEPT_MAX];
	unsigned kept_n;
	struct lru ips, names;
	struct ip *ip_of;
	uint8_t *name_of;           /* NAME_KEY each */
	struct {
		uint8_t from[6], to[6]; /* from all zero: none, as that one stays */
	} mac_of[MACS];             /* the last of each hash */
};

size_t permute_arena_size(void)
{
	return arena_need(1, sizeof(struct permute)) +
	       lru_arena_size(ADDRESSES, sizeof(struct ip)) +
	       arena_need(ADDRESSES, sizeof(struct ip)) + lru_arena_size(NAMES, NAME_KEY) +
	       arena_need(NAMES, NAME_KEY);
}

static struct prf use(const uint8_t key[PRF_KEY], uint64_t n)
{
	struct prf f;

	memcpy(f.key, key, PRF_KEY);
	prf_step(&f, n);
	return f;
}

struct permute *permute_init(struct arena *a, const uint8_t key[PRF_KEY],
                             const struct permute_kept *kept, unsigned n, uint64_t seed)
{
	MUST(n <= PERMUTE_KEPT_MAX);
	struct permute *p = arena_take(a, 1, sizeof(*p));

	for (unsigned i = 0; i < n; i++)
		p->kept[i] = kept[i];
	p->kept_n = n;
	p->ip[0] = use(key, 6);
	p->ip[1] = use(key, 4);
	p->name = use(key, 'n');
	p->mac = use(key, 'm');
	p->bytes = use(key, 'b');
	lru_init(&p->ips, a, ADDRESSES, sizeof(struct ip), seed);
	p->ip_of = arena_take(a, ADDRESSES, sizeof(struct ip));
	lru_init(&p->names, a, NAMES, NAME_KEY, seed);
	p->name_of = arena_take(a, NAMES, NAME_KEY);
	return p;
}

/* A slot for a key that isn't there. */
static uint32_t room(struct lru *l, const void *key)
{
	if (lru_full(l))
		lru_drop(l, lru_oldest(l));
	return lru_add(l, key);
}

/* ---- addresses ---- */

/* How many leading bits a and b have in common, at most most. */
static unsigned common_bits(const uint8_t *a, const uint8_t *b, unsigned most)
{
	unsigned n = 0;

	while (n < most && a[n / 8] == b[n / 8])
		n += 8;
	if (n < most)
		n += (unsigned)__builtin_clz((unsigned)(a[n / 8] ^ b[n / 8])) - 24;
	return n < most ? n : most;
}

/*
 * The leading bits of an address that stay, of its own family's. Where it leaves the way to a
 * range, the bit that leads away from it stays as well, or others would move into the range.
 */
static unsigned kept_bits(const uint8_t *from, bool v4)
{
	unsigned kept = 0;

	for (size_t i = 0; i < COUNT_OF(special_row); i++) {
		const struct special *s = &special_row[i];
		if (s->v4 != v4)
			continue;
		unsigned n = common_bits(from, s->first, s->bits);
		n = n == s->bits ? s->keep : n + 1;
		kept = n > kept ? n : kept;
	}
	return kept;
}

/*
 * The bits of one byte: each of the 255 nodes of the byte's binary tree has one that says whether
 * the bit that is decided there is turned.
 */
static uint8_t turned(const struct prf *node, uint8_t byte)
{
	uint8_t turn[32], out = 0;
	unsigned at = 1;

	prf_bytes(node, turn, sizeof(turn));
	for (unsigned bit = 8; bit-- > 0;) {
		unsigned is = (unsigned)byte >> bit & 1;
		unsigned turns = (unsigned)turn[at / 8] >> (at % 8) & 1;
		out = (uint8_t)(out | turns << bit);
		at = 2 * at + is;
	}
	return byte ^ out;
}

static struct ip compute_ip(const struct permute *p, const struct ip *ip)
{
	bool v4 = ip_is4(ip);
	unsigned first = v4 ? IP4_AT / 8 : 0;
	unsigned kept = first * 8 + kept_bits(ip->b + first, v4);
	struct prf node = p->ip[v4];
	struct ip out = *ip;

	for (unsigned i = first; i < IP_BITS / 8; i++) {
		unsigned stay = kept <= 8 * i ? 0 : kept - 8 * i;
		unsigned mask = stay >= 8 ? 0 : 0xffu >> stay, is = ip->b[i];
		out.b[i] = (uint8_t)((is & ~mask) | (turned(&node, ip->b[i]) & mask));
		prf_step(&node, ip->b[i]);
	}
	return out;
}

struct ip permute_ip(struct permute *p, const struct ip *ip)
{
	uint32_t slot = lru_find(&p->ips, ip);

	if (slot != LRU_NONE) {
		lru_touch(&p->ips, slot);
		return p->ip_of[slot];
	}
	slot = room(&p->ips, ip);
	p->ip_of[slot] = compute_ip(p, ip);
	return p->ip_of[slot];
}

static struct ip masked(const struct ip *ip, unsigned bits)
{
	struct ip out = *ip;

	for (unsigned i = 0; i < IP_BITS / 8; i++) {
		unsigned stay = bits <= 8 * i ? 0 : bits - 8 * i;
		if (stay < 8)
			out.b[i] &= (uint8_t)~(0xff >> stay);
	}
	return out;
}

struct ip permute_subnet(struct permute *p, const struct ip *ip, unsigned bits)
{
	unsigned all = ip_is4(ip) ? IP4_AT + bits : bits;
	struct ip net = masked(ip, all);

	net = permute_ip(p, &net);
	return masked(&net, all);
}

/* ---- names that were asked for before ---- */

void permute_name(struct permute *p, uint8_t *out, const uint8_t *name, size_t len)
{
	uint8_t key[NAME_KEY] = { 0 };

	dns_name_lower(key, name, len);
	uint32_t slot = lru_find(&p->names, key);
	if (slot == LRU_NONE) {
		slot = room(&p->names, key);
		permute_name_compute(&p->name, p->kept, p->kept_n,
		                     p->name_of + (size_t)slot * NAME_KEY, key);
	} else {
		lru_touch(&p->names, slot);
	}
	memcpy(out, p->name_of + (size_t)slot * NAME_KEY, len);
}

/* ---- the rest ---- */

static void compute_mac(const struct permute *p, uint8_t out[6], const uint8_t mac[6])
{
	struct prf f = p->mac;

	prf_say(&f, mac, 6);
	prf_bytes(&f, out, 6);
	out[0] = (uint8_t)((out[0] & 0xfc) | 2 | (mac[0] & 1));
}

void permute_mac(struct permute *p, uint8_t mac[6])
{
	static const uint8_t none[6], all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	unsigned i = (unsigned)(dns_hash(mac, 6, 0) % MACS);

	if (memcmp(mac, none, 6) == 0 || memcmp(mac, all, 6) == 0)
		return;
	if (memcmp(p->mac_of[i].from, mac, 6) != 0) {
		memcpy(p->mac_of[i].from, mac, 6);
		compute_mac(p, p->mac_of[i].to, mac);
	}
	memcpy(mac, p->mac_of[i].to, 6);
}

void permute_bytes(const struct permute *p, uint8_t *bytes, size_t len)
{
	struct prf f = p->bytes;

	prf_say(&f, bytes, len);
	prf_bytes(&f, bytes, len);
}
