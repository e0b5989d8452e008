/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes a configuration out of settings; see conf.h. */
#include "conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/host.h"

enum { LIST_BYTES = 1 << 16, ALLOW_FILE_MAX = 1 << 20 };

/* Digits with up to `decimals` behind a point, as an integer of the last decimal's size. */
static int read_decimal(uint64_t *v, const char *text, unsigned decimals, const char **end)
{
	const char *p = text;
	uint64_t n = 0;
	unsigned seen = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (n > (UINT64_MAX - 9) / 10)
			return -EINVAL;
		n = n * 10 + (uint64_t)(*p - '0');
	}
	if (p == text)
		return -EINVAL;
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9' && seen < decimals; p++, seen++)
			n = n < UINT64_MAX / 100 ? n * 10 + (uint64_t)(*p - '0') : UINT64_MAX;
	for (; seen < decimals; seen++)
		n = n < UINT64_MAX / 100 ? n * 10 : UINT64_MAX;
	*end = p;
	*v = n;
	return n < UINT64_MAX ? 0 : -EINVAL;
}

int conf_time(int64_t *ns, const char *text)
{
	static const struct { const char *name; uint64_t ns; } units[] = {
		{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 },
	};
	const uint64_t most = (uint64_t)3600 * 1000000000;
	const char *unit;
	uint64_t v;

	if (read_decimal(&v, text, 3, &unit) < 0)
		return -EINVAL;
	*ns = 0;
	if (v == 0 && *unit == '\0')
		return 0;
	for (size_t i = 0; i < COUNT_OF(units); i++)
		if (strcmp(unit, units[i].name) == 0 && v / 1000 <= most / units[i].ns) {
			*ns = (int64_t)(v * units[i].ns / 1000);
			return 0;
		}
	return -EINVAL;
}

int conf_ppm(uint32_t *ppm, const char *text)
{
	const char *end;
	uint64_t v;

	if (read_decimal(&v, text, 6, &end) < 0 || *end != '\0' || v > 1000000)
		return -EINVAL;
	*ppm = (uint32_t)v;
	return 0;
}

int conf_fault(const char *name)
{
	for (unsigned i = 0; i < REC_FAULTS; i++)
		if (strcmp(rec_fault_name((enum rec_fault)i), name) == 0)
			return (int)i;
	return -EINVAL;
}

/* The next item of a list that commas, semicolons and white space part; NULL at its end. */
static char *next_item(char **rest)
{
	char *item;

	while ((item = strsep(rest, ",; \t\n")) != NULL)
		if (*item != '\0')
			return item;
	return NULL;
}

static int copy_list(char to[LIST_BYTES], struct settings *s, enum setting which)
{
	const char *text = settings_get(s, which);

	if (strlen(text) >= LIST_BYTES)
		return settings_fail(s, which, "too long");
	memcpy(to, text, strlen(text) + 1);
	return 0;
}

static int read_listen(struct stub_conf *c, struct settings *s, char buf[LIST_BYTES])
{
	uint16_t port = (uint16_t)settings_number(s, SET_LOCAL_PORT);
	char why[200], *rest = buf, *item;

	if (copy_list(buf, s, SET_LOCAL_ADDRESS) < 0)
		return -EINVAL;
	while ((item = next_item(&rest)) != NULL) {
		if (c->listen_n == CONF_LISTEN_MAX)
			return settings_fail(s, SET_LOCAL_ADDRESS, "too many addresses");
		int err = ep_parse(&c->listen[c->listen_n++], item, port);
		if (err < 0) {
			snprintf(why, sizeof(why), "'%.60s' isn't an address%s", item,
			         err == -ERANGE ? " with a port of 1 to 65535" : "");
			return settings_fail(s, SET_LOCAL_ADDRESS, why);
		}
	}
	return c->listen_n > 0 ? 0 : settings_fail(s, SET_LOCAL_ADDRESS, "expected an address");
}

static int add_allow(struct stub_conf *c, struct settings *s, enum setting which, const char *item)
{
	struct rec_allow *x = &c->allow[c->rec.allow_n];
	char why[200];

	if (c->rec.allow_n == CONF_ALLOW_MAX)
		return settings_fail(s, which, "too many networks");
	x->deny = item[0] == '!';
	if (prefix_parse(&x->prefix, item + x->deny) < 0) {
		snprintf(why, sizeof(why), "'%.60s' isn't a network", item);
		return settings_fail(s, which, why);
	}
	c->rec.allow_n++;
	return 0;
}

static int allow_file(struct stub_conf *c, struct settings *s)
{
	char *text, *rest, *line;
	size_t len;
	int err = host_read_file(settings_get(s, SET_ALLOW_FROM_FILE), ALLOW_FILE_MAX, &text, &len);

	if (err < 0)
		return settings_fail(s, SET_ALLOW_FROM_FILE, strerror(-err));
	for (rest = text; err == 0 && (line = strsep(&rest, "\n")) != NULL;) {
		line[strcspn(line, "#")] = '\0';
		char *item = next_item(&line);
		if (item != NULL)
			err = add_allow(c, s, SET_ALLOW_FROM_FILE, item);
	}
	free(text);
	return err;
}

static int read_allow(struct stub_conf *c, struct settings *s, char buf[LIST_BYTES])
{
	char *rest = buf, *item;
	int err = 0;

	c->rec.allow = c->allow;
	c->rec.allow_n = 0;
	if (settings_get(s, SET_ALLOW_FROM_FILE)[0] != '\0')
		return allow_file(c, s);
	if (copy_list(buf, s, SET_ALLOW_FROM) < 0)
		return -EINVAL;
	while (err == 0 && (item = next_item(&rest)) != NULL)
		err = add_allow(c, s, SET_ALLOW_FROM, item);
	if (err < 0 || c->rec.allow_n > 0)
		return err;
	/* As PowerDNS: nothing set lets everybody in. */
	err = add_allow(c, s, SET_ALLOW_FROM, "0.0.0.0/0");
	return err < 0 ? err : add_allow(c, s, SET_ALLOW_FROM, "::/0");
}

/* "NAME(A,B)" or "NAME:A:B": what follows the name into buf, parted by commas. */
static bool is_call(const char *text, const char *name, char buf[64])
{
	size_t n = strlen(name), len = strlen(text);
	bool call = len > n + 1 && text[n] == '(' && text[len - 1] == ')';

	if (strncmp(text, name, n) != 0 || (!call && text[n] != ':'))
		return false;
#ifndef EK_PLANT
	if (len - n >= 64)
		return false;
#endif
	memcpy(buf, text + n + 1, len - n);
	if (call)
		buf[len - n - 2] = '\0';
	for (char *p = buf; !call && *p != '\0'; p++)
		*p = *p == ':' ? ',' : *p;
	return true;
}

/* The times of a distribution, in order: how many it needs, and how they must lie. */
static int read_times(struct dist_spec *d, char *rest)
{
	bool two = d->kind == DIST_UNIFORM || d->kind == DIST_LOGNORMAL;
	char *a = next_item(&rest), *b = next_item(&rest);

	if (a == NULL || next_item(&rest) != NULL || conf_time(&d->a_ns, a) < 0 ||
	    (two && b == NULL) || (b != NULL && conf_time(&d->b_ns, b) < 0))
		return -EINVAL;
	if (!two)
		return b == NULL || d->b_ns == 0 ? 0 : -EINVAL;
	if (d->kind == DIST_UNIFORM)
		return d->b_ns >= d->a_ns ? 0 : -EINVAL;
	return d->a_ns > 0 && d->b_ns > d->a_ns ? 0 : -EINVAL;
}

static int read_dist(struct dist_spec *d, const char *text)
{
	static const struct { const char *name; enum dist_kind kind; } kinds[] = {
		{ "constant", DIST_CONSTANT }, { "uniform", DIST_UNIFORM },
		{ "exponential", DIST_EXPONENTIAL }, { "lognormal", DIST_LOGNORMAL },
	};
	char buf[64];

	*d = (struct dist_spec){ .kind = DIST_CONSTANT };
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		if (!is_call(text, kinds[i].name, buf))
			continue;
		d->kind = kinds[i].kind;
		return read_times(d, buf);
	}
	return conf_time(&d->a_ns, text);
}

static int read_fault(struct stub_conf *c, char *item)
{
	char *kind = strsep(&item, ":"), *chance = strsep(&item, ":");
	int f = conf_fault(kind);

	if (f < 0 || chance == NULL || conf_ppm(&c->fault_ppm[f], chance) < 0)
		return -EINVAL;
	if (f == REC_F_SLOW)
		return item != NULL ? conf_time(&c->slow_ns, item) : -EINVAL;
	return item == NULL ? 0 : -EINVAL;
}

static int read_stub(struct stub_conf *c, struct settings *s, char buf[LIST_BYTES])
{
	const char *seed = settings_get(s, SET_STUB_SEED), *end;
	char *rest = buf, *item;

	if (read_dist(&c->miss, settings_get(s, SET_STUB_MISS)) < 0)
		return settings_fail(s, SET_STUB_MISS,
		                     "expected TIME, uniform(LOW,HIGH), lognormal(MEDIAN,P84) "
		                     "or exponential(MEAN), up to an hour");
	if (snprintf(c->answers, sizeof(c->answers), "%s", settings_get(s, SET_STUB_ANSWERS)) >=
	    CONF_PATH_BYTES)
		return settings_fail(s, SET_STUB_ANSWERS, "a path that is too long");
	c->rec.book_delays = settings_bool(s, SET_STUB_ANSWER_DELAYS);
	c->seeded = seed[0] != '\0';
	if (c->seeded && (read_decimal(&c->seed, seed, 0, &end) < 0 || *end != '\0'))
		return settings_fail(s, SET_STUB_SEED, "expected a number");
	if (copy_list(buf, s, SET_STUB_FAULT) < 0)
		return -EINVAL;
	while ((item = next_item(&rest)) != NULL)
		if (read_fault(c, item) < 0)
			return settings_fail(s, SET_STUB_FAULT,
			                     "expected KIND:PROBABILITY or slow:PROBABILITY:TIME");
	return 0;
}

static void read_limits(struct stub_conf *c, const struct settings *s)
{
	struct rec_conf *r = &c->rec;

	r->cold = settings_bool(s, SET_STUB_COLD);
	r->packetcache = !r->cold && !settings_bool(s, SET_DISABLE_PACKETCACHE);
	r->packetcache_entries = (uint32_t)settings_number(s, SET_MAX_PACKETCACHE_ENTRIES);
	r->packetcache_ttl = (uint32_t)settings_number(s, SET_PACKETCACHE_TTL);
	r->packetcache_servfail_ttl = (uint32_t)settings_number(s, SET_PACKETCACHE_SERVFAIL_TTL);
	r->cache_entries = (uint32_t)settings_number(s, SET_MAX_CACHE_ENTRIES);
	r->cache_ttl = (uint32_t)settings_number(s, SET_MAX_CACHE_TTL);
	r->negative_ttl = (uint32_t)settings_number(s, SET_MAX_NEGATIVE_TTL);
	r->waiting = (uint32_t)settings_number(s, SET_MAX_MTHREADS);
	r->udp_size = (uint16_t)settings_number(s, SET_UDP_TRUNCATION);
	c->threads = (unsigned)settings_number(s, SET_THREADS);
	c->non_local_bind = settings_bool(s, SET_NON_LOCAL_BIND);
	c->tcp_clients = (unsigned)settings_number(s, SET_MAX_TCP_CLIENTS);
	c->tcp_concurrent = (unsigned)settings_number(s, SET_MAX_CONCURRENT);
	c->tcp_queries = settings_number(s, SET_MAX_TCP_QUERIES);
	c->tcp_timeout_ns = (int64_t)settings_number(s, SET_CLIENT_TCP_TIMEOUT) * 1000000000;
}

int conf_read(struct stub_conf *c, struct settings *s)
{
	static char buf[LIST_BYTES];

	memset(c, 0, sizeof(*c));
	rec_conf_init(&c->rec);
	if (settings_check(s) < 0)
		return -EINVAL;
	read_limits(c, s);
	if (settings_bool(s, SET_DAEMON))
		return settings_fail(s, SET_DAEMON, "the stub stays in the foreground");
	if (read_listen(c, s, buf) < 0 || read_allow(c, s, buf) < 0)
		return -EINVAL;
	return read_stub(c, s, buf);
}
