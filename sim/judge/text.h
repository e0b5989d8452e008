/* SPDX-License-Identifier: BSD-3-Clause */
/* Sentences with numbers in them, built piece by piece; too long ones are cut, never overrun. */
#ifndef EK_JUDGE_TEXT_H
#define EK_JUDGE_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text {
	char s[1024]; /* always NUL-terminated */
	size_t n;
};

void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* 12345 as "12,345". */
void text_count(struct text *t, uint64_t n);
/* Millionths as per cent with one decimal: "55.1". */
void text_percent(struct text *t, int64_t ppm);
/* A duration in a readable unit: "1.84 s", "12.3 ms", "250 us". */
void text_time(struct text *t, int64_t ns);

#endif
