/* SPDX-License-Identifier: BSD-3-Clause */
/* Points of time read from text; see cut.h. */
#include "cut.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sim/plan/scenario.h"

static const int64_t SECOND_NS = INT64_C(1000000000);
enum { DIGITS = 9, SECONDS_DIGITS = 10 };

/* What is behind a second: nothing, or a point and up to nine digits; then end. -1: neither. */
static int64_t fraction(const char *p, const char *end)
{
	int64_t ns = 0;

	if (strcmp(p, end) == 0)
		return 0;
	size_t n = p[0] == '.' ? strspn(p + 1, "0123456789") : 0;
	if (n == 0 || n > DIGITS || strcmp(p + 1 + n, end) != 0)
		return -1;
	for (size_t i = 1; i <= DIGITS; i++)
		ns = ns * 10 + (i <= n ? p[i] - '0' : 0);
	return ns;
}

/* Fills in a point of Unix time; ns: of the second, negative for none. */
static int at_second(struct moment *m, int64_t s, int64_t ns)
{
	if (ns < 0 || s < 0 || s > INT64_MAX / SECOND_NS - 1)
		return -EINVAL;
	*m = (struct moment){ .absolute = true, .ns = s * SECOND_NS + ns };
	return 0;
}

static int parse_unix(struct moment *m, const char *text)
{
	size_t n = strspn(text, "0123456789");
	int64_t s = 0;

	if (n == 0 || n > SECONDS_DIGITS)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		s = s * 10 + (text[i] - '0');
	return at_second(m, s, fraction(text + n, ""));
}

static int parse_date(struct moment *m, const char *text)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t ns = rest != NULL ? fraction(rest, "Z") : -1;

	if (ns < 0)
		return -EINVAL;
	struct tm was = tm;
	time_t s = timegm(&tm); /* of February 31st it makes March 3rd, also in tm */
	return tm.tm_mday != was.tm_mday || tm.tm_min != was.tm_min ? -EINVAL
	                                                            : at_second(m, s, ns);
}

int moment_parse(struct moment *m, const char *text)
{
	if (text[0] == '@')
		return parse_unix(m, text + 1);
	if (strchr(text, 'T') != NULL)
		return parse_date(m, text);
	*m = (struct moment){ .ns = value_parse_time(text) };
	return m->ns < 0 ? -EINVAL : 0;
}

int cut_parse(struct cut *c, const char *text)
{
	const char *dots = strstr(text, "..");
	char from[64];

	if (dots == NULL || (size_t)(dots - text) >= sizeof(from))
		return -EINVAL;
	snprintf(from, sizeof(from), "%.*s", (int)(dots - text), text);
	*c = (struct cut){ .from = { true, INT64_MIN }, .to = { true, INT64_MAX } };
	if (from[0] != '\0' && moment_parse(&c->from, from) < 0)
		return -EINVAL;
	if (dots[2] != '\0' && moment_parse(&c->to, dots + 2) < 0)
		return -EINVAL;
	bool alike = c->from.absolute == c->to.absolute;
	return alike && c->from.ns >= c->to.ns ? -EINVAL : 0;
}

int64_t moment_ns(const struct moment *m, int64_t first_ns)
{
	int64_t t;

	if (m->absolute)
		return m->ns;
	return __builtin_add_overflow(first_ns, m->ns, &t) ? INT64_MAX : t;
}

bool cut_is_empty(const struct cut *c, int64_t first_ns)
{
	return c->from.absolute != c->to.absolute &&
	       moment_ns(&c->from, first_ns) >= moment_ns(&c->to, first_ns);
}

bool cut_has(const struct cut *c, int64_t first_ns, int64_t t_ns)
{
	return t_ns >= moment_ns(&c->from, first_ns) && t_ns < moment_ns(&c->to, first_ns);
}
