/* SPDX-License-Identifier: BSD-3-Clause */
/* What console and web server tell of pools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "balancer/admin/stats.h"

static char error[CONFIG_ERROR_TEXT];

static const char file[] =
	"newServer{address='192.0.2.3', name='DNS1'}\n"
	"newServer{address='192.0.2.4', name='DNS2', pool={'', 'abuse'}}\n"
	"newServer{address='192.0.2.5', name='DNS3', pool='abuse'}\n"
	"setPoolServerPolicy(roundrobin, 'abuse')\n"
	"getPool('abuse'):setCache(newPacketCache(100))\n"
	"getPool('q\"\\\\')\n";

static struct stats *stats(void)
{
	struct config *c = config_parse("f", file, strlen(file), NULL, error);

	if (c == NULL)
		fail_msg("%s", error);
	struct stats *s = stats_new(c);
	s->server[0].up = s->server[2].up = true;
	s->pool[1] = (struct stats_pool){ .hits = 3, .misses = 4, .entries = 5 };
	return s;
}

static void done(struct stats *s)
{
	config_free((struct config *)(uintptr_t)s->config);
	stats_free(s);
}

static char *written(const struct stats *s, void (*show)(const struct stats *, FILE *))
{
	char *text;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	show(s, to);
	assert_int_equal(fclose(to), 0);
	return text;
}

static void has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("no '%s' in '%s'", part, text);
}

static void show_pools_has_a_line_for_each(void **state)
{
	struct stats *s = stats();
	char *text = written(s, stats_show_pools);

	(void)state;
	has(text, "                              leastOutstanding DNS1 192.0.2.3:53, DNS2 "
	    "192.0.2.4:53\n");
	has(text, "\nabuse                                   5/100           roundrobin DNS2 "
	    "192.0.2.4:53, DNS3 192.0.2.5:53\n");
	free(text);
	done(s);
}

static void show_servers_names_the_pools_of_each(void **state)
{
	struct stats *s = stats();
	char *text = written(s, stats_show_servers);

	(void)state;
	has(text, "0.0 \n1 ");
	has(text, "0.0 abuse\n2 ");
	has(text, "0.0 abuse\nAll");
	free(text);
	done(s);
}

static void metrics_tell_each_pool_by_its_name(void **state)
{
	struct stats *s = stats();
	char *text = written(s, stats_metrics);

	(void)state;
	has(text, "\ndnsdist_pool_servers{pool=\"_default_\"} 2\n");
	has(text, "\ndnsdist_pool_servers{pool=\"abuse\"} 2\n");
	has(text, "\ndnsdist_pool_active_servers{pool=\"abuse\"} 1\n");
	has(text, "\ndnsdist_pool_servers{pool=\"q\\\"\\\\\"} 0\n");
	has(text, "\ndnsdist_pool_cache_size{pool=\"abuse\"} 100\n");
	has(text, "\ndnsdist_pool_cache_entries{pool=\"abuse\"} 5\n");
	has(text, "\ndnsdist_pool_cache_hits{pool=\"abuse\"} 3\n");
	has(text, "\ndnsdist_pool_cache_misses{pool=\"abuse\"} 4\n");
	assert_null(strstr(text, "cache_size{pool=\"_default_\"}"));
	free(text);
	done(s);
}

static void the_api_has_all_pools_and_each(void **state)
{
	struct stats *s = stats();
	char *all = stats_json_localhost(s), *one;

	(void)state;
	has(all, "\"pools\": [{\"id\": 0, \"name\": \"\", \"serversCount\": 2, \"cacheSize\": 0, ");
	has(all, "{\"id\": 1, \"name\": \"abuse\", \"serversCount\": 2, \"cacheSize\": 100, "
	    "\"cacheEntries\": 5, \"cacheHits\": 3, \"cacheMisses\": 4}");
	has(all, "\"pools\": [], ");
	has(all, "\"pools\": [\"\", \"abuse\"], ");
	has(all, "\"pools\": [\"abuse\"], ");
	s->asked = 1;
	one = stats_json_pool(s);
	has(one, "\"name\": \"DNS3\"");
	has(one, "\"stats\": {\"id\": 1, \"name\": \"abuse\"");
	assert_null(strstr(one, "DNS1"));
	free(all);
	free(one);
	done(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(show_pools_has_a_line_for_each),
		cmocka_unit_test(show_servers_names_the_pools_of_each),
		cmocka_unit_test(metrics_tell_each_pool_by_its_name),
		cmocka_unit_test(the_api_has_all_pools_and_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
