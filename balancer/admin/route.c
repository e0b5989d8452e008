/* SPDX-License-Identifier: BSD-3-Clause */
/* Paths, passwords and headers of the web server; see route.h. */
#include "route.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "balancer/config/password.h"

enum { CREDENTIALS = 512 };

/* ---- who may ---- */

/* Basic authentication (RFC 7617): any user, the password after the first colon. */
static bool basic_ok(const struct admin_web *w, const char *authorization)
{
	static const char scheme[] = "Basic ";
	char text[CREDENTIALS + 1];
	size_t len;

	if (authorization == NULL || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
		return false;
	const char *s = authorization + sizeof(scheme) - 1;
	if (sodium_base642bin((uint8_t *)text, CREDENTIALS, s, strlen(s), NULL, &len, NULL,
	                      sodium_base64_VARIANT_ORIGINAL) < 0)
		return false;
	const char *colon = memchr(text, ':', len);
	if (colon == NULL)
		return false;
	colon++;
	return password_ok(w->password, colon, len - (size_t)(colon - text));
}

static bool key_ok(const struct admin_web *w, const char *key)
{
	return key != NULL && strlen(key) < CREDENTIALS &&
	       password_ok(w->api_key, key, strlen(key));
}

/* ---- what there is ---- */

static char *metrics(const struct stats *s)
{
	char *out;
	size_t len;
	FILE *to = open_memstream(&out, &len);

	MUST(to != NULL);
	stats_metrics(s, to);
	MUST(fclose(to) == 0);
	return out;
}

enum needs { OPEN_STATS, PASSWORD, API_KEY };
enum query { NONE, COMMAND, NAME };

static const struct page {
	const char *path, *type;
	enum needs needs;
	enum query query;
	char *(*body)(const struct stats *);
} pages[] = {
	{ "/metrics", "text/plain; version=0.0.4", OPEN_STATS, NONE, metrics },
	{ "/jsonstat", "application/json", OPEN_STATS, COMMAND, stats_json_stats },
	{ "/api/v1/servers/localhost", "application/json", PASSWORD, NONE,
	  stats_json_localhost },
	{ "/api/v1/servers/localhost/statistics", "application/json", API_KEY, NONE,
	  stats_json_statistics },
	{ "/api/v1/servers/localhost/config", "application/json", API_KEY, NONE,
	  stats_json_config },
	{ "/api/v1/servers/localhost/pool", "application/json", API_KEY, NAME,
	  stats_json_pool },
};

static const struct page *find_page(const char *path)
{
	for (size_t i = 0; i < COUNT_OF(pages); i++)
		if (strcmp(path, pages[i].path) == 0)
			return &pages[i];
	return NULL;
}

/* What isn't there is behind the same door as its neighbours, so that nobody learns by asking. */
static bool may(const struct admin_web *w, const struct page *p, const struct route_request *r)
{
	enum needs needs = p != NULL ? p->needs
	                   : strncmp(r->path, "/api/", 5) == 0 ? API_KEY : PASSWORD;

	if (needs == OPEN_STATS && !w->stats_need_auth)
		return true;
	return key_ok(w, r->api_key) || (needs != API_KEY && basic_ok(w, r->authorization));
}

/* 200 when the query names something that there is: the statistics, or a pool. */
static unsigned check_query(const struct bal_conf *c, const struct page *p,
                            const struct route_request *r)
{
	switch (p->query) {
	case NONE:
		return 200;
	case COMMAND:
		return r->command != NULL && strcmp(r->command, "stats") == 0 ? 200 : 404;
	case NAME:
		return r->name == NULL ? 400 : bal_pool_find(c, r->name) >= 0 ? 200 : 404;
	}
	return 404;
}

static unsigned judge(const struct config *c, const struct page *p, const struct route_request *r)
{
	bool get = strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;

	if (!may(&c->admin.web, p, r))
		return 401;
	if (p == NULL)
		return 404;
	return get ? check_query(&c->conf, p, r) : 405;
}

static const char *reason(unsigned status)
{
	switch (status) {
	case 400: return "Bad Request\n";
	case 401: return "Unauthorized\n";
	case 405: return "Method Not Allowed\n";
	default: return "Not Found\n";
	}
}

void route(const struct admin *a, const struct route_request *r, struct route_answer *out)
{
	const struct page *p = find_page(r->path);

	out->status = judge(a->config, p, r);
	if (out->status != 200) {
		out->type = "text/plain";
		out->body = strdup(reason(out->status));
		MUST(out->body != NULL);
		return;
	}
	struct stats *s = stats_new(a->config);
	a->read(a->arg, s);
	if (p->query == NAME)
		s->asked = (unsigned)bal_pool_find(&a->config->conf, r->name);
	out->type = p->type;
	out->body = p->body(s);
	stats_free(s);
}

/* ---- headers ---- */

static const struct { const char *name, *value; } defaults[] = {
	{ "X-Content-Type-Options", "nosniff" },
	{ "X-Frame-Options", "deny" },
	{ "X-Permitted-Cross-Domain-Policies", "none" },
	{ "X-XSS-Protection", "1; mode=block" },
	{ "Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'" },
};

static bool replaced(const struct admin_web *w, const char *name)
{
	for (unsigned i = 0; i < w->header_n; i++)
		if (strcasecmp(w->header[i].name, name) == 0)
			return true;
	return false;
}

bool route_header(const struct admin_web *w, unsigned i, const char **name, const char **value)
{
	for (size_t k = 0; k < COUNT_OF(defaults); k++) {
		*name = defaults[k].name;
		*value = defaults[k].value;
		if (!replaced(w, *name) && i-- == 0)
			return true;
	}
	for (unsigned k = 0; k < w->header_n; k++) {
		*name = w->header[k].name;
		*value = w->header[k].value;
		if ((*value)[0] != '\0' && i-- == 0)
			return true;
	}
	return false;
}
