/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EDNS Client Subnet (RFC 7871): put into a query, and taken out of its answer again, so that who
 * asked gets what he would have got without. In place, within the caller's buffer; a message that
 * can't be read, or has anything behind its OPT record (a signature), stays as it is.
 */
#ifndef EK_ECS_H
#define EK_ECS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

enum {
	ECS_OPTION = 8,            /* its code */
	ECS_UDP_SIZE = 512,        /* announced in an OPT record that we add */
	ECS_OPTION_MAX = 4 + 4 + 16, /* bytes of an option, its head included */
	ECS_ADDED_MAX = 11 + ECS_OPTION_MAX,
};

/* What was done to a query. */
enum ecs_change {
	ECS_NOTHING,
	ECS_REPLACED,              /* its own option; nothing is to be undone */
	ECS_OPTION_ADDED,
	ECS_OPT_ADDED,             /* an OPT record, with the option */
};

/*
 * Puts client's subnet of bits (0...32 or 128) into the query m[0..*len), whose question ends at
 * q_end; one that has such an option keeps it, unless replace. *len grows by at most
 * ECS_ADDED_MAX; without room in cap nothing is done. O(len).
 */
enum ecs_change ecs_add(uint8_t *m, uint16_t *len, size_t cap, size_t q_end,
                        const struct ip *client, unsigned bits, bool replace);
/*
 * Takes out of an answer what ecs_add put into its query. An option that something stands behind
 * becomes padding of the same length (RFC 7830). *len never grows. O(len).
 */
void ecs_remove(uint8_t *m, uint16_t *len, size_t q_end, enum ecs_change added);
/* The address of a subnet: ip with all but its first bits cleared. bits: 0...32 or 128. */
struct ip ecs_subnet(const struct ip *ip, unsigned bits);

#endif
