/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines of LogAction and LogResponseAction; see rule_log.h. */
#include "rule_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "balancer/config/config.h"

enum { LINE = DNS_NAME_TEXT + 256 };

struct rule_log {
	const struct bal_rules *rules;
	int *fd;
};

static int open_one(const struct bal_log *log, bool first)
{
	int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC;

	if (log->path[0] == '\0')
		return STDOUT_FILENO;
	int fd = open(log->path, first && !log->append ? flags | O_TRUNC : flags, 0640);
	if (fd < 0 && first)
		fprintf(stderr, "can't open the log %s: %s\n", log->path, strerror(errno));
	return fd;
}

struct rule_log *rule_log_new(const struct bal_conf *conf, bool first)
{
	if (conf->rules == NULL || conf->rules->log_n == 0)
		return NULL;
	struct rule_log *l = calloc(1, sizeof(*l));
	MUST(l != NULL);
	l->rules = conf->rules;
	l->fd = calloc(conf->rules->log_n, sizeof(*l->fd));
	MUST(l->fd != NULL);
	for (unsigned i = 0; i < conf->rules->log_n; i++)
		l->fd[i] = open_one(&conf->rules->log[i], first);
	return l;
}

size_t rule_log_line(const struct bal_logged *e, char *out, size_t size)
{
	char client[EP_TEXT], name[DNS_NAME_TEXT], type[16];
	const char *known = config_type_name(e->type);

	ep_format(&e->client, client);
	dns_name_format(e->name, e->name_len, name);
	snprintf(type, sizeof(type), "TYPE%u", e->type);
	if (e->rcode < 0)
		return (size_t)snprintf(out, size, "Packet from %s for %s %s with id %u", client,
		                        name, known != NULL ? known : type, e->id);
	return (size_t)snprintf(out, size, "Answer to %s for %s %s (%s) with id %u", client, name,
	                        known != NULL ? known : type, config_rcode_name((unsigned)e->rcode),
	                        e->id);
}

static void write_one(const struct rule_log *l, const struct bal_logged *e)
{
	char line[LINE];
	size_t len = 0;
	struct timespec now;

	if (l->rules->log[e->log].timestamp) {
		clock_gettime(CLOCK_REALTIME, &now);
		len = (size_t)snprintf(line, sizeof(line), "[%llu.%lu] ",
		                       (unsigned long long)now.tv_sec,
		                       (unsigned long)now.tv_nsec);
	}
	len += rule_log_line(e, line + len, sizeof(line) - len - 1);
	line[len++] = '\n';
	if (write(l->fd[e->log], line, len) < 0)
		return; /* a full disk is no reason to stop serving */
}

void rule_log_pass(struct rule_log *l, struct bal *b)
{
	struct bal_logged e;

	if (l == NULL)
		return;
	while (bal_next_logged(b, &e))
		if (l->fd[e.log] >= 0)
			write_one(l, &e);
}
