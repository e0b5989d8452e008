/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The little that a plan wants of a recursor.conf: whom it answers, and whether it has a packet
 * cache. Lenient on purpose: the program that gets the file judges it.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/host/host.h"
#include "scenario.h"

static char *trim(char *text)
{
	text += strspn(text, " \t\r");
	for (size_t n = strlen(text); n > 0 && strchr(" \t\r", text[n - 1]) != NULL; n--)
		text[n - 1] = '\0';
	return text;
}

static void read_allow(struct recconf *c, char *value)
{
	char *rest = value;

	for (char *word; (word = strsep(&rest, ", \t")) != NULL;)
		if (c->allow_n < COUNT_OF(c->allow) &&
		    prefix_parse(&c->allow[c->allow_n], word) == 0)
			c->allow_n++;
}

static void read_line(struct recconf *c, char *text, unsigned line)
{
	char *comment = strchr(text, '#'), *equals;

	if (comment != NULL)
		*comment = '\0';
	equals = strchr(text, '=');
	if (equals == NULL)
		return;
	bool more = equals > text && equals[-1] == '+';
	equals[more ? -1 : 0] = '\0';
	const char *key = trim(text);
	char *value = trim(equals + 1);
	if (strcmp(key, "allow-from") == 0) {
		c->allow_n = more ? c->allow_n : 0;
		c->allow_line = line;
		read_allow(c, value);
	}
	if (strcmp(key, "stub-answers") == 0)
		c->answers_line = *value != '\0' ? line : 0;
	if (strcmp(key, "disable-packetcache") == 0)
		c->packetcache = strcmp(value, "yes") != 0 && *value != '\0';
}

int recconf_read(struct recconf *c, const char *path)
{
	char *text;
	size_t len;
	unsigned line = 0;
	int e = host_read_file(path, SCENARIO_FILE_MAX, &text, &len);

	*c = (struct recconf){ .packetcache = true };
	if (e < 0)
		return e;
	char *rest = text;
	for (char *one; (one = strsep(&rest, "\n")) != NULL;)
		read_line(c, one, ++line);
	free(text);
	return 0;
}
