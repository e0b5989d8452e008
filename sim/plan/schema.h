/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plan's shape as tables: one field a row, with its JSON key, place, kind and range. Writing,
 * reading and freeing a plan all walk these tables, so they can't disagree. Keys stand in sorted
 * order, which makes the JSON canonical.
 */
#ifndef EK_PLAN_SCHEMA_H
#define EK_PLAN_SCHEMA_H

#include <stddef.h>
#include <stdint.h>

#include "plan.h"

enum schema_kind {
	SCHEMA_TEXT = 1, /* char array, cap bytes with its NUL */
	SCHEMA_STRING,   /* char *, owned; NULL is null */
	SCHEMA_BOOL,
	SCHEMA_INT,      /* of cap bytes, lo...hi */
	SCHEMA_MODEL,    /* int64_t lo...hi, or "model" for PLAN_MODEL */
	SCHEMA_REAL,     /* double, 0...1 */
	SCHEMA_ENUM,     /* names[value]; a NULL name isn't allowed */
	SCHEMA_IP,
	SCHEMA_EP,
	SCHEMA_PREFIX,
	SCHEMA_NAME,     /* wire form; count_at is its uint16_t length */
	SCHEMA_OBJECT,   /* a struct in place */
	SCHEMA_ARRAY,    /* in place, at most hi elements; count_at is an unsigned */
	SCHEMA_LIST,     /* behind an owned pointer, otherwise as SCHEMA_ARRAY */
};

struct schema;

struct schema_field {
	const char *key;
	enum schema_kind kind;
	size_t at;                       /* offset in the struct */
	size_t count_at;
	size_t cap;
	bool is_signed;
	bool counted;                    /* the count was read with an earlier field */
	bool optional;                   /* int, bool, enum, list: absent means 0 */
	int64_t lo, hi;
	const char *const *names;        /* enum; hi is the last value */
	const struct schema *type;       /* object */
	const struct schema_field *elem; /* array, list: one element, at offset 0 */
	size_t elem_size;
};

struct schema {
	unsigned field_n;
	const struct schema_field *field;
};

extern const struct schema plan_schema;

/* Names by enum value, NULL where there is none; the last is at _N - 1. */
enum { FAULT_N = PLAN_SET_AUTO + 1, EXPECT_N = PLAN_FAILOVER + 1 };
enum { POLICY_N = BAL_LUA + 1 };
extern const char *const plan_fault_names[FAULT_N];
extern const char *const plan_expect_names[EXPECT_N];
extern const char *const plan_policy_names[POLICY_N];
extern const char *const plan_role_names[PLAN_AUTHORITY + 1];
extern const char *const plan_checks_names[PLAN_CHECKS_ASYNC + 1];
extern const char *const plan_arrivals_names[PLAN_CAPTURED_TIMES + 1];
extern const char *const plan_names_names[PLAN_CAPTURED_NAMES + 1];
extern const char *const plan_addresses_names[PLAN_MAPPED + 1];
extern const char *const plan_way_names[PLAN_IN + 1]; /* NULL: both */
extern const char *const plan_choose_names[PLAN_PER_CLIENT + 1];
extern const char *const plan_retry_names[PLAN_SAME + 1];
extern const char *const plan_dist_names[DIST_LOGNORMAL + 1];

/* Limits that a plan keeps. */
#define PLAN_LOOPS_MAX INT64_C(1000000000000)
enum { PLAN_LOADS_MAX = 64, PLAN_FAULTS_MAX = 4096, PLAN_EXPECTS_MAX = 256 };
#define PLAN_TIME_MAX_NS (INT64_C(400) * 86400 * 1000000000) /* 400 days */
#define PLAN_RATE_MAX_MQPS INT64_C(10000000000)              /* ten million a second */
/* A link's rate and its queue: one frame of the longest kind fits at least. */
#define PLAN_BPS_MIN INT64_C(1000)
#define PLAN_BPS_MAX INT64_C(1000000000000)
#define PLAN_QUEUE_MIN INT64_C(1514)
#define PLAN_QUEUE_MAX INT64_C(1000000000)
#define PLAN_QUEUE_BYTES 65536 /* where none is named */

#endif
