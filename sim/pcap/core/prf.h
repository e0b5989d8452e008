/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A keyed function of what was said to it: the tree of Goldreich, Goldwasser and Micali ("How to
 * construct random functions", J. ACM 1986) with ChaCha20 (lib/drbg.h) as its generator. Each step
 * goes on to a child's key, so whoever knows what came out of one node learns nothing about
 * another. Nothing is secret but the key; equal keys and inputs give equal outputs on every
 * machine.
 */
#ifndef EK_PCAP_PRF_H
#define EK_PCAP_PRF_H

#include <stddef.h>
#include <stdint.h>

enum { PRF_KEY = 32 };

/* A node of the tree. */
struct prf {
	uint8_t key[PRF_KEY];
};

/* On to the child number n. */
void prf_step(struct prf *p, uint64_t n);
/* On by n bytes, their number first, so that no input is the beginning of another. */
void prf_say(struct prf *p, const void *bytes, size_t n);
/* What belongs to this node: n bytes that look random. */
void prf_bytes(const struct prf *p, void *out, size_t n);

#endif
