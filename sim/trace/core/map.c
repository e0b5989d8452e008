/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients' addresses mapped into a net, their prefixes kept; see trace.h. */
#include <errno.h>

#include "trace.h"

enum { ADDRESS_BITS = 128 };

/* The first bit that differs, 0...127; both are different. */
static unsigned parting(const struct ip *a, const struct ip *b)
{
	unsigned i = 0;

	while (a->b[i] == b->b[i])
		i++;
	return 8 * i + (unsigned)__builtin_clz((unsigned)(a->b[i] ^ b->b[i])) - 24;
}

static bool bit_of(const struct ip *ip, unsigned bit)
{
	return (ip->b[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

static void set_bit(struct ip *ip, unsigned bit)
{
	ip->b[bit / 8] = (uint8_t)(ip->b[bit / 8] | 0x80 >> bit % 8);
}

/* The first of [from, to) in which the bit is set; they agree in all bits before it. */
static uint32_t first_with(const struct ip *ip, uint32_t from, uint32_t to, unsigned bit)
{
	while (from < to) {
		uint32_t middle = from + (to - from) / 2;
		if (bit_of(&ip[middle], bit))
			to = middle;
		else
			from = middle + 1;
	}
	return from;
}

/* A part of the tree that is yet to be walked: its leaves, and the bits that lead to it. */
struct branch {
	uint32_t from, to;
	unsigned depth;
	struct ip path;
};

/*
 * Walks the tree whose root's bit is at place root. Returns its depth. At most one branch for each
 * bit waits, since a branch parts at a later bit than the one that it came from.
 */
static unsigned walk(const struct ip *from, uint32_t n, const struct ip *start, unsigned root,
                     struct ip *to)
{
	struct branch waits[ADDRESS_BITS + 1] = { { 0, n, 0, *start } };
	unsigned waiting = 1, depth = 0;

	while (waiting > 0) {
		struct branch b = waits[--waiting];
		depth = b.depth > depth ? b.depth : depth;
		if (b.to - b.from == 1) {
			if (to != NULL)
				to[b.from] = b.path;
			continue;
		}
		unsigned bit = parting(&from[b.from], &from[b.to - 1]);
		uint32_t middle = first_with(from, b.from, b.to, bit);
		struct ip path = b.path;
		if (root + b.depth < ADDRESS_BITS)
			set_bit(&path, root + b.depth);
		waits[waiting++] = (struct branch){ middle, b.to, b.depth + 1, path };
		waits[waiting++] = (struct branch){ b.from, middle, b.depth + 1, b.path };
	}
	return depth;
}

int trace_map(const struct ip *from, uint32_t n, const struct prefix *net, struct ip *to, int *bits)
{
	struct ip start = net->ip;
	unsigned spare = ip_is4(&net->ip) ? 2 : 1; /* the bit before, and never all ones */
	int shortest = ip_is4(&net->ip) ? 96 : 0;
	unsigned depth = n > 0 ? walk(from, n, &start, ADDRESS_BITS, NULL) : 0;

	*bits = ADDRESS_BITS - (int)(depth + spare);
	if (*bits < shortest)
		*bits = -1;
	if (net->bits > *bits)
		return -ENOSPC;
	set_bit(&start, ADDRESS_BITS - 1 - depth);
	if (n > 0 && to != NULL)
		(void)walk(from, n, &start, ADDRESS_BITS - depth, to);
	return 0;
}
