/* SPDX-License-Identifier: BSD-3-Clause */
/* Console and web server without sockets: the protocol, commands, passwords, routes, headers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sodium.h>

#include "balancer/admin/command.h"
#include "balancer/admin/link.h"
#include "balancer/admin/route.h"
#include "balancer/config/password.h"

/* ---- the protocol ---- */

enum { MAX = 100 };

struct pair {
	struct link *server, *client;
};

static const char *text;
static size_t len;

/* All of data into l, in parts of step bytes; the last event. */
static int eat(struct link *l, const uint8_t *data, size_t n, size_t step)
{
	int r = LINK_MORE;

	for (size_t at = 0, used = 1; at < n; at += used) {
		r = link_eat(l, data + at, step < n - at ? step : n - at, &used, &text, &len);
		if (r < 0)
			return r;
	}
	return r;
}

static struct pair begin(uint8_t client_key)
{
	uint8_t key[ADMIN_KEY] = { 1 }, ours[LINK_NONCE], theirs[LINK_NONCE];
	struct pair p;

	memset(ours, 0xff, sizeof(ours)); /* counting up goes round */
	memset(theirs, 7, sizeof(theirs));
	p.server = link_new(key, ours, MAX);
	key[0] = client_key;
	p.client = link_new(key, theirs, MAX);
	assert_int_equal(eat(p.server, theirs, LINK_NONCE, 1), LINK_BEGUN);
	assert_int_equal(eat(p.client, ours, LINK_NONCE, LINK_NONCE), LINK_BEGUN);
	return p;
}

static void end(struct pair p)
{
	link_free(p.server);
	link_free(p.client);
}

static void messages_arrive_in_both_directions_however_they_are_cut(void **state)
{
	uint8_t wire[200];

	(void)state;
	for (size_t step = 1; step < 60; step++) {
		struct pair p = begin(1);
		assert_false(link_proven(p.server));
		for (int i = 0; i < 3; i++) {
			link_seal(p.client, "getServer(0)", 12, wire);
			assert_int_equal(link_sealed(12), 32);
			assert_int_equal(eat(p.server, wire, 32, step), LINK_TEXT);
			assert_string_equal(text, "getServer(0)");
			assert_true(link_proven(p.server));
			link_seal(p.server, "", 0, wire);
			assert_int_equal(eat(p.client, wire, link_sealed(0), step), LINK_TEXT);
			assert_int_equal(len, 0);
		}
		end(p);
	}
}

static void what_does_not_open_ends_the_connection(void **state)
{
	static const struct {
		const char *what;
		uint8_t key;
		int at;            /* of the message: this byte changes */
		int want;
	} rows[] = {
		{ "nothing wrong", 1, -1, LINK_TEXT },
		{ "another key", 2, -1, -EBADMSG },
		{ "a changed MAC", 1, 4, -EBADMSG },
		{ "a changed text", 1, 21, -EBADMSG },
	};
	uint8_t wire[200];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct pair p = begin(rows[i].key);
		link_seal(p.client, "abcd", 4, wire);
		if (rows[i].at >= 0)
			wire[rows[i].at] ^= 1;
		int r = eat(p.server, wire, link_sealed(4), 1000);
		if (r != rows[i].want)
			fail_msg("%s: %d, not %d", rows[i].what, r, rows[i].want);
		assert_int_equal(link_proven(p.server), r == LINK_TEXT);
		end(p);
	}
}

static void a_message_twice_does_not_open_twice(void **state)
{
	struct pair p = begin(1);
	uint8_t wire[200];

	(void)state;
	link_seal(p.client, "abcd", 4, wire);
	assert_int_equal(eat(p.server, wire, link_sealed(4), 1000), LINK_TEXT);
	assert_int_equal(eat(p.server, wire, link_sealed(4), 1000), -EBADMSG);
	end(p);
}

static void lengths_are_bounded_before_anything_is_read(void **state)
{
	static const struct { uint8_t head[4]; int want; } rows[] = {
		{ { 0, 0, 0, 0 }, LINK_EMPTY }, { { 0, 0, 0, 15 }, -EBADMSG },
		{ { 0, 0, 0, 16 }, LINK_MORE }, { { 0, 0, 0, 116 }, LINK_MORE },
		{ { 0, 0, 0, 117 }, -EMSGSIZE }, { { 0xff, 0xff, 0xff, 0xff }, -EMSGSIZE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct pair p = begin(1);
		assert_int_equal(eat(p.server, rows[i].head, 4, 4), rows[i].want);
		end(p);
	}
}

/* ---- a balancer that only remembers what it was told ---- */

struct fake {
	struct admin admin;
	struct config *config;
	unsigned server, reads;
	enum bal_check_mode mode;
	int up;                    /* set_state's, -1: not called */
	uint32_t qps;
	bool drained;
	int reloads;
	int32_t weight, order;
};

static void fake_read(void *arg, struct stats *s)
{
	((struct fake *)arg)->reads++;
	s->server[0] = (struct stats_server){
		.up = true, .mode = BAL_CHECK_AUTO, .outstanding = 3, .latency_us = 1234,
		.counts = { .queries = 10, .timeouts = 2 }, .transitions = 4, .down_ms = 1500,
	};
	s->server[1] = (struct stats_server){ .mode = BAL_CHECK_DOWN };
	for (unsigned i = 0; i < s->config->conf.server_n; i++) {
		s->server[i].weight = s->config->conf.server[i].weight;
		s->server[i].order = s->config->conf.server[i].order;
	}
	s->verdict[BAL_FORWARD] = 10;
}

static void fake_mode(void *arg, unsigned server, enum bal_check_mode mode)
{
	struct fake *f = arg;

	f->server = server;
	f->mode = mode;
}

static void fake_state(void *arg, unsigned server, bool up)
{
	(void)server;
	((struct fake *)arg)->up = up;
}

static void fake_qps(void *arg, unsigned server, uint32_t qps)
{
	(void)server;
	((struct fake *)arg)->qps = qps;
}

static void fake_drain(void *arg, unsigned server, bool drained)
{
	(void)server;
	((struct fake *)arg)->drained = drained;
}

static void fake_reload(void *arg)
{
	((struct fake *)arg)->reloads++;
}

static void fake_weight(void *arg, unsigned server, int32_t weight)
{
	((struct fake *)arg)->server = server;
	((struct fake *)arg)->weight = weight;
}

static void fake_order(void *arg, unsigned server, int32_t order)
{
	((struct fake *)arg)->server = server;
	((struct fake *)arg)->order = order;
}

static void fake_start(struct fake *f, const char *more)
{
	char config[1024], error[CONFIG_ERROR_TEXT];

	snprintf(config, sizeof(config), "newServer{address='192.0.2.3', name='DNS1'}\n"
	         "newServer{address='[2001:db8::4]:54', weight=7}\n%s", more);
	*f = (struct fake){ .up = -1 };
	f->config = config_parse("f", config, strlen(config), NULL, error);
	if (f->config == NULL)
		fail_msg("%s", error);
	f->admin = (struct admin){
		.config = f->config, .arg = f, .read = fake_read, .set_mode = fake_mode,
		.set_state = fake_state, .set_qps = fake_qps, .set_drain = fake_drain,
		.reload = fake_reload, .set_weight = fake_weight, .set_order = fake_order,
	};
}

static void say(struct command *c, const char *line, const char *want)
{
	char *out;
	size_t n;
	bool stop;

	command_run(c, line, strlen(line), &out, &n, &stop);
	if (strcmp(out, want) != 0)
		fail_msg("%s: '%s', not '%s'", line, out, want);
	assert_int_equal(n, strlen(want));
	assert_int_equal(stop, strcmp(line, "shutdown()") == 0);
	free(out);
}

static void commands_answer_as_dnsdist_does(void **state)
{
	static const struct { const char *line, *want; } rows[] = {
		{ "1+1", "2\n" }, { "'abc'", "abc\n" }, { "nil", "" }, { "", "" },
		{ "true", "true\n" }, { "{b=2, a=1}", "{\"a\": 1, \"b\": 2}\n" },
		{ "x=5", "" }, { "x", "5\n" }, { "print(x, nil)", "5\tnil\n" },
		{ "return 4", "4\n" }, { "for i=1,3 do print(i) end", "1\n2\n3\n" },
		{ "foo(", "Error: [string \"foo(\"]:1: unexpected symbol near '<eof>'\n" },
		{ "foo()", "Error: [string \"return foo()\"]:1: attempt to call global 'foo' (a "
		  "nil "
		  "value)\n" },
		{ "error({})", "Error: one that isn't text\n" }, { "error(5)", "Error: "
		  "5\n" }, { "os", "" }, { "io", "" }, { "ffi", "" },
		{ "\033Lua", "Error: a NUL or escape character: expected text\n" },
		{ "getServer(0)", "DNS1\n" }, { "getServer('DNS1'):getName()", "DNS1\n" },
		{ "getServer('[2001:db8::4]:54').weight", "7\n" },
		{ "getServer(1):getName()", "[2001:db8::4]:54\n" },
		{ "getServer(0):getNameWithAddr()", "DNS1 (192.0.2.3:53)\n" },
		{ "getServer(0):isUp()", "true\n" }, { "getServer(1).upStatus", "false\n" },
		{ "getServer(0):getLatency()", "1234\n" }, { "getServer(0):getDrops()", "2\n" },
		{ "getServer(0):getOutstanding()", "3\n" }, { "#getServers()", "2\n" },
		{ "getServers()[2].order", "1\n" },
		{ "getServer(2)", "Error: getServer: there is no server 2: expected 0 to 1\n" },
		{ "getServer(-1)", "Error: getServer: there is no server -1: expected 0 to 1\n" },
		{ "getServer(1):getID()", "[2001:db8::4]:54\n" },
		{ "getServer(0).name = 2", "Error: [string \"getServer(0).name = 2\"]:1: a "
		  "server's "
		  "'name' can't be set at run time: change the configuration and start again\n" },
		{ "getServer(0).weight = 0", "Error: [string \"getServer(0).weight = 0\"]:1: "
		  "weight: expected a whole number from 1 to 2147483647\n" },
		{ "getServer(0).order = 1.5", "Error: [string \"getServer(0).order = 1.5\"]:1: "
		  "order: expected a whole number from -2147483648 to 2147483647\n" },
		{ "setServerPolicy(wrandom)", "Error: setServerPolicy: not at run time: change the "
		  "configuration and start again\n" },
		{ "topQueries(5)", "Nothing is kept: setRingBuffersSize in the configuration says "
		  "how much shall be\n" },
		{ "topResponses(5, 16)", "Error: bad argument #2 to '?' (not a number of this "
		  "kind)\n" },
		{ "showServerPolicy()", "leastOutstanding\n" }, { "shutdown()", "" },
	};
	struct fake f;

	(void)state;
	fake_start(&f, "");
	struct command *c = command_new(&f.admin);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		say(c, rows[i].line, rows[i].want);
	say(c, "reload()", "Reloading the configuration: what comes of it is in the log\n");
	assert_int_equal(f.reloads, 1);
	command_free(c);
	config_free(f.config);
}

static void commands_change_servers(void **state)
{
	static const struct {
		const char *line;
		unsigned server;
		enum bal_check_mode mode;
		int up;
	} rows[] = {
		{ "getServer(1):setUp()", 1, BAL_CHECK_UP, -1 },
		{ "getServer(0):setDown()", 0, BAL_CHECK_DOWN, -1 },
		{ "getServer(0):setAuto()", 0, BAL_CHECK_AUTO, -1 },
		{ "getServer(1):setAuto(true)", 1, BAL_CHECK_AUTO, 1 },
		{ "getServer(1):setAuto(false)", 1, BAL_CHECK_AUTO, 0 },
		{ "getServer('lazy'):setLazyAuto()", 2, BAL_CHECK_AUTO, -1 },
		{ "getServer('lazy'):setLazyAuto(true)", 2, BAL_CHECK_AUTO, 1 },
	};
	struct fake f;

	(void)state;
	fake_start(&f, "newServer{address='192.0.2.9', name='lazy', healthCheckMode='lazy'}");
	struct command *c = command_new(&f.admin);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		f.up = -1;
		say(c, rows[i].line, "");
		assert_int_equal(f.server, rows[i].server);
		assert_int_equal(f.mode, rows[i].mode);
		assert_int_equal(f.up, rows[i].up);
	}
	f.mode = BAL_CHECK_DOWN;
	say(c, "getServer(0):setLazyAuto()", "Error: setLazyAuto: 'DNS1' isn't checked lazily: "
	    "expected healthCheckMode='lazy' in the configuration\n");
	assert_int_equal(f.mode, BAL_CHECK_DOWN);
	say(c, "getServer(0):setQPS(77)", "");
	assert_int_equal(f.qps, 77);
	say(c, "getServer(0):setQPS(-1)", "Error: setQPS: expected 0 to 4294967295\n");
	say(c, "getServer(1).weight = 9", "");
	assert_true(f.server == 1 && f.weight == 9);
	say(c, "getServer(0).order = '-3'", "");
	assert_true(f.server == 0 && f.order == -3);
	say(c, "getServer(1).upStatus = true", "");
	assert_int_equal(f.up, 1);
	say(c, "getServer(0):setDrain(true)", "");
	assert_true(f.drained);
	assert_int_equal(f.reads, 0); /* nothing was asked for that needs the counters */
	command_free(c);
	config_free(f.config);
}

static void the_weights_of_a_ring_are_made_at_the_start(void **state)
{
	struct fake f;

	(void)state;
	fake_start(&f, "setServerPolicy(chashed)");
	struct command *c = command_new(&f.admin);
	say(c, "getServer(0).weight = 2", "Error: [string \"getServer(0).weight = 2\"]:1: weight: "
	    "the ring of chashed is made at the start: change the configuration and reload it\n");
	say(c, "getServer(0).order = 2", "");
	assert_int_equal(f.order, 2);
	command_free(c);
	config_free(f.config);
}

static void no_command_goes_on_for_ever_or_fills_the_memory(void **state)
{
	static const struct { const char *line, *want; } rows[] = {
		{ "while true do end", "Error: [string \"while true do end\"]:1: the command "
		  "takes too "
		  "long: more than 20000000 steps\n" },
		{ "1", "1\n" }, /* the next one has all of its steps */
		{ "string.rep('x', 100000000)", "Error: not enough memory\n" },
		{ "while true do print(string.rep('x', 1000000)) end",
		  "Error: [string \"while true do print(string.rep('x', 1000000))...\"]:1: the "
		  "output is "
		  "longer than 8000000 bytes\n" },
		{ "2", "2\n" },
	};
	struct fake f;

	(void)state;
	fake_start(&f, "");
	struct command *c = command_new(&f.admin);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		say(c, rows[i].line, rows[i].want);
	command_free(c);
	config_free(f.config);
}

static void show_servers_has_the_columns_of_dnsdist_and_two_more(void **state)
{
	struct fake f;

	(void)state;
	fake_start(&f, "");
	struct command *c = command_new(&f.admin);
	say(c, "showServers()",
	    "#   Name                 Address                       State     Qps    Qlim Ord Wt "
	    "   "
	    "Queries   Drops Drate   Lat Outstanding Changes   Down(s) Pools\n"
	    "0   DNS1                 192.0.2.3:53                     up     0.0       0   1  1 "
	    "   "
	    "     10       2   0.0   1.2           3       4       1.5 \n"
	    "1   [2001:db8::4]:54     [2001:db8::4]:54               DOWN     0.0       0   1  7 "
	    "   "
	    "      0       0   0.0   0.0           0       0       0.0 \n"
	    "All                                                              0.0                "
	    "   "
	    "     10       2\n");
	command_free(c);
	config_free(f.config);
}

/* ---- the web server ---- */

static void passwords_are_compared_plain_or_by_scrypt(void **state)
{
	static const char dnsdists[] = "$scrypt$ln=10,p=1,r=8$sqzCFaWl7WZZnBfVylWjIA==$"
		"p3WrrvDj9TTwqr1a2yt0afKxS7Z6o3zYu92VTbLMc0k=";
	static const struct { const char *want, *given; bool good; } rows[] = {
		{ "", "", false }, { "", "x", false }, { "secret", "secret", true },
		{ "secret", "secreT", false }, { "secret", "secret ", false },
		{ "secret", "", false }, { "secret", "secre", false },
		{ dnsdists, "geheim", true }, { dnsdists, "geheiM", false },
	};
	char hash[PASSWORD_HASH_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(password_ok(rows[i].want, rows[i].given, strlen(rows[i].given)),
		                 rows[i].good);
	assert_int_equal(password_hash("geheim", 6, hash), 0);
	assert_true(password_is_hash(hash));
	assert_true(password_ok(hash, "geheim", 6));
	assert_false(password_ok(hash, "geheim", 5));
	assert_false(password_ok(hash, hash, strlen(hash)));
	hash[strlen(hash) - 3] ^= 1;
	assert_false(password_ok(hash, "geheim", 6));
}

#define SALT "1GZ10YdmSGtTmKK9jTH85Q=="
#define HASH "$JHeICW1mUCnTC+nnULDr7QFQ3kRrZ7u12djruJdrPhI="

static void hashes_that_cost_too_much_or_are_none_are_told_apart(void **state)
{
	static const struct { const char *text; bool good; } rows[] = {
		{ "$scrypt$ln=10,p=1,r=8$" SALT HASH, true },
		{ "$scrypt$ln=17,p=1,r=8$" SALT HASH, false },
		{ "$scrypt$ln=10,p=1$" SALT HASH, false },
		{ "$scrypt$ln=10,p=1,r=8$" SALT "$JHeI", false },
		{ "$scrypt$ln=10,p=1,r=8$" HASH, false },
		{ "$scrypt$ln=99999999999999999999,p=1,r=8$AAAA$JHeI", false },
		{ "$scrypt$", false }, { "secret", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (password_is_hash(rows[i].text) != rows[i].good)
			fail_msg("%s", rows[i].text);
}

static void paths_and_passwords_decide_the_status(void **state)
{
	static const char stats[] = "/jsonstat", pool[] = "/api/v1/servers/localhost/pool";
	static const char good[] = "Basic eDpzZWNyZXQ=" /* x:secret */;
	static const struct {
		const char *method, *path, *authorization, *key, *command, *name;
		unsigned status;
	} rows[] = {
		{ "GET", "/metrics", NULL, NULL, NULL, NULL, 401 },
		{ "GET", "/metrics", good, NULL, NULL, NULL, 200 },
		{ "HEAD", "/metrics", "basic eDpzZWNyZXQ=", NULL, NULL, NULL, 200 },
		{ "GET", "/metrics", NULL, "apik", NULL, NULL, 200 },
		{ "GET", "/metrics", NULL, "secret", NULL, NULL, 401 },
		{ "GET", "/metrics", "Basic eDphcGlr", NULL, NULL, NULL, 401 },
		{ "GET", "/metrics", "Basic eDpzZWNyZX", NULL, NULL, NULL, 401 },
		{ "GET", "/metrics", "Basic c2VjcmV0", NULL, NULL, NULL, 401 }, /* no colon */
		{ "GET", "/metrics", "Basic ", NULL, NULL, NULL, 401 },
		{ "GET", "/metrics", "Bearer eDpzZWNyZXQ=", NULL, NULL, NULL, 401 },
		{ "POST", "/metrics", good, NULL, NULL, NULL, 405 },
		{ "POST", "/metrics", NULL, NULL, NULL, NULL, 401 },
		{ "GET", "/nope", good, NULL, NULL, NULL, 404 },
		{ "GET", "/nope", NULL, NULL, NULL, NULL, 401 },
		{ "GET", stats, good, NULL, "stats", NULL, 200 },
		{ "GET", stats, good, NULL, "statsx", NULL, 404 },
		{ "GET", stats, good, NULL, NULL, NULL, 404 },
		{ "GET", "/api/v1/servers/localhost", good, NULL, NULL, NULL, 200 },
		{ "GET", "/api/v1/servers/localhost/config", good, NULL, NULL, NULL, 401 },
		{ "GET", "/api/v1/servers/localhost/config", NULL, "apik", NULL, NULL, 200 },
		{ "GET", "/api/v1/servers/localhost/statistics", NULL, "apik", NULL, NULL, 200 },
		{ "PUT", "/api/v1/servers/localhost/config", NULL, "apik", NULL, NULL, 405 },
		{ "GET", pool, NULL, "apik", NULL, "", 200 },
		{ "GET", pool, NULL, "apik", NULL, "x", 404 },
		{ "GET", pool, NULL, "apik", NULL, NULL, 400 },
	};
	struct fake f;

	(void)state;
	fake_start(&f, "setWebserverConfig{password='secret', apiKey='apik'}");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct route_request r = {
			rows[i].method, rows[i].path, rows[i].authorization, rows[i].key,
			rows[i].command, rows[i].name,
		};
		struct route_answer out;
		route(&f.admin, &r, &out);
		if (out.status != rows[i].status)
			fail_msg("row %zu: %s %s: %u, not %u", i, r.method, r.path, out.status,
			         rows[i].status);
		if ((strlen(out.body) > 100) != (out.status == 200))
			fail_msg("row %zu: %s", i, out.body);
		free(out.body);
	}
	config_free(f.config);
}

static void without_a_password_nobody_enters_but_open_statistics_are_open(void **state)
{
	struct route_request r = { .method = "GET", .path = "/metrics", .api_key = "",
	                           .authorization = "Basic Og==" /* ":" */ };
	struct route_answer out;
	struct fake f;

	(void)state;
	fake_start(&f, "");
	route(&f.admin, &r, &out);
	assert_int_equal(out.status, 401);
	free(out.body);
	config_free(f.config);
	fake_start(&f, "setWebserverConfig{statsRequireAuthentication=false}");
	route(&f.admin, &r, &out);
	assert_int_equal(out.status, 200);
	free(out.body);
	r.path = "/api/v1/servers/localhost";
	route(&f.admin, &r, &out);
	assert_int_equal(out.status, 401);
	free(out.body);
	config_free(f.config);
}

static void custom_headers_replace_and_remove(void **state)
{
	const char *name, *value;
	char all[2000] = "";
	struct fake f;

	(void)state;
	fake_start(&f, "setWebserverConfig{customHeaders={['x-frame-OPTIONS']='', ['X-A']='b'}}");
	for (unsigned i = 0; route_header(&f.config->admin.web, i, &name, &value); i++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s=%s;", name, value);
	assert_string_equal(all, "X-Content-Type-Options=nosniff;"
	                    "X-Permitted-Cross-Domain-Policies=none;"
	                    "X-XSS-Protection=1; mode=block;Content-Security-Policy=default-src "
	                    "'self'; style-src 'self' 'unsafe-inline';X-A=b;");
	config_free(f.config);
}

static void a_name_cannot_break_the_metrics(void **state)
{
	struct route_request r = { .method = "GET", .path = "/metrics" };
	struct route_answer out;
	struct fake f;

	(void)state;
	fake_start(&f, "setWebserverConfig{statsRequireAuthentication=false}\n"
	           "newServer{address='192.0.2.5', name='a\"} 5 \\\\', order=0}");
	route(&f.admin, &r, &out);
	assert_non_null(strstr(out.body, "dnsdist_server_order{server=\"a\\\"} 5 \\\\\","
	                                 "address=\"192.0.2.5:53\"} 0\n"));
	assert_non_null(strstr(out.body, "dnsdist_server_down_seconds_total{server=\"a\\\"} 5 "
	"\\\\\","
	                                 "address=\"192.0.2.5:53\"} 1.500\n"));
	free(out.body);
	config_free(f.config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_arrive_in_both_directions_however_they_are_cut),
		cmocka_unit_test(what_does_not_open_ends_the_connection),
		cmocka_unit_test(a_message_twice_does_not_open_twice),
		cmocka_unit_test(lengths_are_bounded_before_anything_is_read),
		cmocka_unit_test(commands_answer_as_dnsdist_does),
		cmocka_unit_test(commands_change_servers),
		cmocka_unit_test(the_weights_of_a_ring_are_made_at_the_start),
		cmocka_unit_test(no_command_goes_on_for_ever_or_fills_the_memory),
		cmocka_unit_test(show_servers_has_the_columns_of_dnsdist_and_two_more),
		cmocka_unit_test(passwords_are_compared_plain_or_by_scrypt),
		cmocka_unit_test(hashes_that_cost_too_much_or_are_none_are_told_apart),
		cmocka_unit_test(paths_and_passwords_decide_the_status),
		cmocka_unit_test(without_a_password_nobody_enters_but_open_statistics_are_open),
		cmocka_unit_test(custom_headers_replace_and_remove),
		cmocka_unit_test(a_name_cannot_break_the_metrics),
	};

	MUST(sodium_init() >= 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
