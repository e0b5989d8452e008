/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands of the control socket; see control.h. */
#include "control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/host/host.h"
#include "lib/host/rec_control.h"
#include "lib/version.h"

enum { BACKLOG = 16, TIMEOUT_S = 2, WORDS = 7, METRICS = 64 };

struct metric {
	char name[48];
	uint64_t value;
};

struct metrics {
	struct metric m[METRICS];
	unsigned n;
};

static void add_metric(struct metrics *all, const char *prefix, const char *name, uint64_t value)
{
	struct metric *m = &all->m[all->n++];

	MUST(all->n <= METRICS);
	snprintf(m->name, sizeof(m->name), "%s%s", prefix, name);
	m->value = value;
}

static uint64_t millis(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000 + (uint64_t)t->tv_usec / 1000;
}

static void add_gauges(const struct control *c, struct metrics *all)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	add_metric(all, "", "cache-entries", rec_records(c->shared));
	add_metric(all, "", "packetcache-entries", rec_packets(c->shared));
	add_metric(all, "", "max-cache-entries", c->conf->rec.cache_entries);
	add_metric(all, "", "max-packetcache-entries", c->conf->rec.packetcache_entries);
	add_metric(all, "", "tcp-clients", atomic_load(c->tcp_clients));
	add_metric(all, "", "uptime", (uint64_t)(host_mono_ns() - c->start_ns) / 1000000000);
	add_metric(all, "", "user-msec", millis(&use.ru_utime));
	add_metric(all, "", "sys-msec", millis(&use.ru_stime));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct metric *)a)->name, ((const struct metric *)b)->name);
}

static void collect(const struct control *c, struct metrics *all)
{
	all->n = 0;
	for (unsigned i = 0; i < REC_COUNTERS; i++) {
		enum rec_counter k = (enum rec_counter)i;
		uint64_t sum = 0;
		for (unsigned t = 0; t < c->conf->threads; t++)
			sum += rec_count(c->rec[t], k);
		add_metric(all, k < REC_C_FAULT ? "" : "stub-fault-", rec_counter_name(k), sum);
	}
	add_gauges(c, all);
	qsort(all->m, all->n, sizeof(all->m[0]), by_name);
}

/* Appends to the text; what doesn't fit is cut off. */
__attribute__((format(printf, 2, 3)))
static void say(char out[CONTROL_TEXT], const char *format, ...)
{
	size_t at = strlen(out);
	va_list args;

	va_start(args, format);
	vsnprintf(out + at, CONTROL_TEXT - at, format, args);
	va_end(args);
}

static int get_all(struct control *c, char **word, char out[CONTROL_TEXT])
{
	struct metrics all;

	(void)word;
	collect(c, &all);
	for (unsigned i = 0; i < all.n; i++)
		say(out, "%s\t%llu\n", all.m[i].name, (unsigned long long)all.m[i].value);
	return 0;
}

static int get(struct control *c, char **word, char out[CONTROL_TEXT])
{
	struct metrics all;

	collect(c, &all);
	for (unsigned w = 1; w < WORDS && word[w] != NULL; w++) {
		const struct metric *found = NULL;
		for (unsigned i = 0; i < all.n; i++)
			if (strcmp(all.m[i].name, word[w]) == 0)
				found = &all.m[i];
		if (found == NULL)
			say(out, "UNKNOWN\n");
		else
			say(out, "%llu\n", (unsigned long long)found->value);
	}
	return 0;
}

static int ping(struct control *c, char **word, char out[CONTROL_TEXT])
{
	(void)c;
	(void)word;
	say(out, "pong\n");
	return 0;
}

static int version(struct control *c, char **word, char out[CONTROL_TEXT])
{
	(void)c;
	(void)word;
	say(out, "%s\n", EVENKEEL_VERSION);
	return 0;
}

static int wipe(struct control *c, char **word, char out[CONTROL_TEXT])
{
	uint64_t packets, records;

	(void)word;
	rec_wipe(c->shared, &packets, &records);
	say(out, "wiped %llu records, 0 negative records, %llu packets\n",
	    (unsigned long long)records, (unsigned long long)packets);
	return 0;
}

static int quit(struct control *c, char **word, char out[CONTROL_TEXT])
{
	(void)c;
	(void)word;
	say(out, "bye\n");
	return 0;
}

/* What follows a fault's probability: [TIME] [spare NAME]. */
static bool fault_rest(char **word, bool timed, int64_t *extra_ns, uint8_t name[DNS_NAME_MAX],
                       int *name_len)
{
	if (timed && (*word == NULL || conf_time(extra_ns, *word++) != 0))
		return false;
	if (*word == NULL)
		return true;
	if (strcmp(word[0], "spare") != 0 || word[1] == NULL || word[2] != NULL)
		return false;
	*name_len = dns_name_parse(name, word[1]);
	return *name_len > 0;
}

static int fault_usage(char out[CONTROL_TEXT])
{
	say(out, "expected 'fault KIND PROBABILITY [spare NAME]', 'fault slow PROBABILITY TIME "
	    "[spare NAME]' or 'fault none'; kinds:");
	for (unsigned i = 0; i < REC_FAULTS; i++)
		say(out, " %s", rec_fault_name((enum rec_fault)i));
	say(out, "\n");
	return 1;
}

static int fault(struct control *c, char **word, char out[CONTROL_TEXT])
{
	int f = word[1] != NULL ? conf_fault(word[1]) : -EINVAL, name_len = 0;
	uint8_t name[DNS_NAME_MAX];
	int64_t extra_ns = 0;
	uint32_t ppm;

	if (word[1] != NULL && strcmp(word[1], "none") == 0 && word[2] == NULL) {
		for (unsigned i = 0; i < REC_FAULTS; i++)
			rec_fault(c->shared, (enum rec_fault)i, 0, 0);
		say(out, "no faults\n");
		return 0;
	}
	if (f < 0 || word[2] == NULL || conf_ppm(&ppm, word[2]) != 0 ||
	    !fault_rest(word + 3, f == REC_F_SLOW && ppm > 0, &extra_ns, name, &name_len))
		return fault_usage(out);
	rec_fault_spares(c->shared, (enum rec_fault)f, name, (size_t)name_len);
	rec_fault(c->shared, (enum rec_fault)f, ppm, extra_ns);
	say(out, "fault %s %u.%06u\n", word[1], ppm / 1000000, ppm % 1000000);
	return 0;
}

static int help(struct control *c, char **word, char out[CONTROL_TEXT]);

static const struct command {
	const char *name;
	int (*run)(struct control *, char **, char *);
	const char *prose;
} commands[] = {
	{ "fault", fault, "KIND PROBABILITY [TIME] [spare NAME], or none: faults from now on" },
	{ "get", get, "NAME...: counters by name" },
	{ "get-all", get_all, "every counter" },
	{ "help", help, "this list" },
	{ "ping", ping, "answers pong" },
	{ "quit", quit, "ends the program" },
	{ "quit-nicely", quit, "ends the program" },
	{ "version", version, "of the program" },
	{ "wipe-cache", wipe, "empties both caches, whatever names are given" },
};

static int help(struct control *c, char **word, char out[CONTROL_TEXT])
{
	(void)c;
	(void)word;
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		say(out, "%-16s %s\n", commands[i].name, commands[i].prose);
	return 0;
}

int control_command(struct control *c, char *command, char out[CONTROL_TEXT], bool *quitting)
{
	char *word[WORDS + 1] = { NULL }, *next;
	unsigned n = 0;

	out[0] = '\0';
	*quitting = false;
	while (n < WORDS && (next = strsep(&command, " \t\n")) != NULL)
		if (*next != '\0')
			word[n++] = next;
	for (size_t i = 0; n > 0 && i < COUNT_OF(commands); i++) {
		if (strcmp(commands[i].name, word[0]) != 0)
			continue;
		*quitting = commands[i].run == quit;
		return commands[i].run(c, word, out);
	}
	say(out, "Unknown command '%.100s', try 'help'\n", n > 0 ? word[0] : "");
	return 1;
}

int control_listen(struct control *c, const char *folder, const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int n = snprintf(c->path, sizeof(c->path), "%s/pdns_recursor%s%s.controlsocket", folder,
	                 name[0] != '\0' ? "-" : "", name);

	if (n < 0 || (size_t)n >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	memcpy(un.sun_path, c->path, (size_t)n + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)unlink(c->path);
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 || listen(fd, BACKLOG) < 0) {
		int err = -errno;
		close(fd);
		return err;
	}
	c->fd = fd;
	return 0;
}

bool control_serve(struct control *c)
{
	static char out[CONTROL_TEXT];
	const struct timeval limit = { .tv_sec = TIMEOUT_S };
	char *command;
	int32_t status;
	bool quitting = false;
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return false;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (rec_control_recv(fd, &status, &command) == 0) {
		status = control_command(c, command, out, &quitting);
		(void)!rec_control_send(fd, status, out);
		free(command);
	}
	close(fd);
	return quitting;
}

void control_close(struct control *c)
{
	if (c->fd < 0)
		return;
	close(c->fd);
	(void)unlink(c->path);
	c->fd = -1;
}
