/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asserts in three tiers. MUST stays on in every build: a broken invariant of our own ends the
 * program. DMUST costs too much for the hot path and is on in debug, sanitizer and simulation
 * builds. STATIC_MUST is for sizes. None of them may ever test data that somebody else chose: what
 * a peer sends is a verdict, what a user wrote is a message.
 */
#ifndef EK_MUST_H
#define EK_MUST_H

/*
 * The assert hook, the one function that pure code may call and not define. lib/host has one that
 * prints the line and aborts.
 */
_Noreturn void must_fail(const char *expr, const char *file, int line);

#define MUST(e) ((e) ? (void)0 : must_fail(#e, __FILE__, __LINE__))
#define STATIC_MUST(e) _Static_assert(e, #e)

#ifdef EK_DEBUG
#define DMUST(e) MUST(e)
#else
#define DMUST(e) ((void)sizeof(e))
#endif

#define MUST_CHECK __attribute__((warn_unused_result))
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

#endif
