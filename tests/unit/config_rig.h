/* SPDX-License-Identifier: BSD-3-Clause */
/* Configurations out of a test's text: read as f.conf, what is wrong with them in one buffer. */
#ifndef EK_TEST_CONFIG_RIG_H
#define EK_TEST_CONFIG_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "balancer/config/config.h"

static char error[CONFIG_ERROR_TEXT];

/* The configuration; NULL: it is refused, and error says why. o: NULL for all defaults. */
static inline struct config *parse_with(const char *text, const struct config_options *o)
{
	error[0] = '\0';
	return config_parse("f.conf", text, strlen(text), o, error);
}

static inline struct config *parse(const char *text)
{
	return parse_with(text, NULL);
}

/* The same of a text that must be right. */
static inline struct config *good_with(const char *text, const struct config_options *o)
{
	struct config *c = parse_with(text, o);

	if (c == NULL)
		fail_msg("%s", error);
	return c;
}

static inline struct config *good(const char *text)
{
	return good_with(text, NULL);
}

#endif
