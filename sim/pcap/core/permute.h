/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keyed permutations of what identifies somebody in a capture: addresses, names, link addresses.
 * Each is one to one, so that figures stay what they were, and the same for equal keys, whatever
 * was asked before.
 *
 *	addresses  prefixes preserved, as Crypto-PAn's are (Xu, Fan, Ammar and Moon, "Prefix-
 *	           preserving IP address anonymization", ICNP 2002): two addresses have as many
 *	           leading bits in common afterwards as before. Ranges with a meaning of their own
 *	           keep it (permute.c has them); the price is that an address outside of them
 *	           keeps as many leading bits as it shares with the nearest of them, and one more.
 *	names      label by label from the root, under a key that depends on the labels to its
 *	           right, so names below one zone stay below one; lengths kept, case not. Letters,
 *	           digits, - and _ become such, other bytes become others.
 *	MACs       the broadcast address and zero stay; groups stay groups; others become locally
 *	           administered. One to one but for accidents of 46 bits.
 *
 * Pure; what was asked is remembered in tables of fixed size, which changes nothing but the time.
 */
#ifndef EK_PCAP_PERMUTE_H
#define EK_PCAP_PERMUTE_H

#include "lib/addr.h"
#include "lib/arena.h"
#include "lib/dns.h"
#include "prf.h"

struct permute;

enum { PERMUTE_KEPT_MAX = 16 };

/*
 * A name that stays, with those above it: labels below one are permuted, and no other label becomes
 * one that stays.
 */
struct permute_kept {
	uint8_t name[DNS_NAME_MAX]; /* wire form, in lower case */
	uint8_t len;
};

size_t permute_arena_size(void);
/*
 * kept[0..n): at most PERMUTE_KEPT_MAX. seed: of hash tables; changes nothing but who can slow them
 * down.
 */
struct permute *permute_init(struct arena *a, const uint8_t key[PRF_KEY],
                             const struct permute_kept *kept, unsigned n, uint64_t seed);

struct ip permute_ip(struct permute *p, const struct ip *ip);
/* The first bits bits of an address alone: what is behind them is zero, before and after. */
struct ip permute_subnet(struct permute *p, const struct ip *ip, unsigned bits);
/* name: wire form, not compressed, of len bytes (1...255); out, which may be name, as long. */
void permute_name(struct permute *p, uint8_t *out, const uint8_t *name, size_t len);
void permute_mac(struct permute *p, uint8_t mac[6]);
/* Any other bytes, in place: not one to one, but equal ones become equal ones. */
void permute_bytes(const struct permute *p, uint8_t *bytes, size_t len);

#endif
