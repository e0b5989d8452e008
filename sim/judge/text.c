/* SPDX-License-Identifier: BSD-3-Clause */
/* Integers in, readable numbers out; see text.h. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>

void text_add(struct text *t, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	int n = vsnprintf(t->s + t->n, sizeof(t->s) - t->n, format, ap);
	va_end(ap);
	if (n > 0)
		t->n += (size_t)n;
	if (t->n >= sizeof(t->s))
		t->n = sizeof(t->s) - 1;
}

void text_count(struct text *t, uint64_t n)
{
	if (n >= 1000) {
		text_count(t, n / 1000);
		text_add(t, ",%03u", (unsigned)(n % 1000));
	} else {
		text_add(t, "%u", (unsigned)n);
	}
}

void text_percent(struct text *t, int64_t ppm)
{
	int64_t tenths = (ppm + (ppm < 0 ? -500 : 500)) / 1000;
	int64_t size = tenths < 0 ? -tenths : tenths;

	text_add(t, "%s%lld.%lld", tenths < 0 ? "-" : "", (long long)(size / 10),
	         (long long)(size % 10));
}

/* value / unit with as many decimals as make three digits or so. */
static void text_unit(struct text *t, int64_t ns, int64_t unit, const char *name)
{
	if (ns >= 100 * unit)
		text_add(t, "%lld %s", (long long)((ns + unit / 2) / unit), name);
	else if (ns >= 10 * unit)
		text_add(t, "%lld.%lld %s", (long long)(ns / unit),
		         (long long)(ns % unit * 10 / unit), name);
	else
		text_add(t, "%lld.%02lld %s", (long long)(ns / unit),
		         (long long)(ns % unit * 100 / unit), name);
}

void text_time(struct text *t, int64_t ns)
{
	if (ns < 0) {
		text_add(t, "-");
		ns = -ns;
	}
	if (ns >= 1000000000)
		text_unit(t, ns, 1000000000, "s");
	else if (ns >= 1000000)
		text_unit(t, ns, 1000000, "ms");
	else
		text_add(t, "%lld us", (long long)(ns / 1000));
}
