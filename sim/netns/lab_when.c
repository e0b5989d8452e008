/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Triggers: reads what balancers write about the state of their servers, as it comes, from their
 * logs: "Marking downstream NAME (ADDRESS) as 'down'", which dnsdist writes too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab.h"
#include "lib/host/host.h"

enum { LINE = 512 };

struct lab_log {
	int fd;           /* -1: no balancer, or no log yet */
	size_t n;         /* bytes of a line that isn't whole yet */
	char line[LINE];
};

static const char before[] = "Marking downstream ";

/* The server's node that a text of len bytes names, by name or by address; -1: none. */
static int server_named(const struct plan_conf *c, const char *text, size_t len)
{
	char addr[EP_TEXT];

	for (unsigned i = 0; i < c->server_n; i++) {
		const char *name = c->server[i].name;
		ep_format(&c->server[i].addr, addr);
		if ((strlen(name) == len && len > 0 && strncmp(name, text, len) == 0) ||
		    (strlen(addr) == len && strncmp(addr, text, len) == 0))
			return c->server_node[i];
	}
	return -1;
}

bool lab_when_read(const struct plan *p, unsigned node, const char *line, int *server, bool *up)
{
	const char *at = strstr(line, before), *as;

	if (at == NULL || (as = strstr(at, " as '")) == NULL)
		return false;
	at += strlen(before);
	const char *paren = strstr(at, " (");
	size_t len = (size_t)((paren != NULL && paren < as ? paren : as) - at);
	*server = server_named(&p->conf[p->node[node].conf], at, len);
	*up = strncmp(as, " as 'up'", 8) == 0;
	return *server >= 0 && (*up || strncmp(as, " as 'down'", 10) == 0);
}

static bool line_says(struct lab *l, unsigned node, const char *line)
{
	int server;
	bool up;

	return lab_when_read(l->plan, node, line, &server, &up) &&
	       whens_marked(l->whens, node, server, up, host_mono_ns() - l->t0_ns);
}

static bool read_log(struct lab *l, unsigned node)
{
	struct lab_log *g = &l->log[node];
	bool due = false;
	ssize_t n;

	while ((n = read(g->fd, g->line + g->n, LINE - 1 - g->n)) > 0) {
		char *from = g->line, *end;
		g->n += (size_t)n;
		g->line[g->n] = '\0';
		while ((end = strchr(from, '\n')) != NULL) {
			*end = '\0';
			due |= line_says(l, node, from);
			from = end + 1;
		}
		g->n -= (size_t)(from - g->line);
		if (g->n == LINE - 1)
			g->n = 0; /* so long a line isn't one of ours */
		memmove(g->line, from, g->n);
	}
	return due;
}

static void open_log(struct lab *l, unsigned node)
{
	char path[PROC_ARG + PLAN_NAME_TEXT];

	snprintf(path, sizeof(path), "%s/%s.log", l->world.dir, l->plan->node[node].name);
	l->log[node].fd = open(path, O_RDONLY | O_CLOEXEC);
}

bool lab_when_look(struct lab *l)
{
	bool due = false;

	if (l->log == NULL) {
		l->log = calloc(l->plan->node_n, sizeof(*l->log));
		MUST(l->log != NULL);
		for (unsigned i = 0; i < l->plan->node_n; i++)
			l->log[i].fd = -1;
	}
	for (unsigned i = 0; i < l->plan->node_n; i++) {
		if (l->plan->node[i].role != PLAN_BALANCER)
			continue;
		if (l->log[i].fd < 0)
			open_log(l, i);
		if (l->log[i].fd >= 0)
			due |= read_log(l, i);
	}
	return due;
}
