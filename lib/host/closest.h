/* SPDX-License-Identifier: BSD-3-Clause */
/* "Did you mean": the known name that is closest to a word somebody wrote. */
#ifndef EK_HOST_CLOSEST_H
#define EK_HOST_CLOSEST_H

#include <stddef.h>

/*
 * The closest of names[0..n) (NULL ones are skipped) by letters changed, added, dropped or swapped,
 * without regard to case; the first of equals. NULL when none is close: 1 edit for words of up to 4
 * letters, 2 for up to 8, a third of a longer one.
 */
const char *closest(const char *word, const char *const *names, size_t n);

#endif
