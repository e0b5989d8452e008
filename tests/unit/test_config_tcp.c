/* SPDX-License-Identifier: BSD-3-Clause */
/* What a configuration may say about TCP, and what it comes to. */
#include "config_rig.h"

#define SECOND INT64_C(1000000000)

static void what_says_something_about_tcp_is_read(void **state)
{
	struct config *c = good(
		"addLocal('127.0.0.2')\n"
		"addLocal('127.0.0.3', {maxInFlight=100, maxConcurrentTCPConnections='7',\n"
		" tcpListenQueueSize=9, doTCP=false})\n"
		"setTCPRecvTimeout(3) setTCPSendTimeout(4) setMaxTCPConnectionDuration(5)\n"
		"setMaxTCPConnectionsPerClient(6) setMaxTCPQueriesPerConnection(7)\n"
		"setTCPDownstreamMaxIdleTime(8) setMaxCachedTCPConnectionsPerDownstream(9)\n"
		"newServer{address='192.0.2.1', tcpConnectTimeout=1, tcpSendTimeout=2,\n"
		" tcpRecvTimeout=3, maxInFlight=4, maxConcurrentTCPConnections=5}\n");
	const struct bal_server_tcp *s = &c->conf.server->tcp;

	(void)state;
	assert_int_equal(c->conf.listen[0].max_in_flight, 0);
	assert_int_equal(c->conf.listen[0].queue, CONFIG_LISTEN_QUEUE);
	assert_false(c->conf.listen[0].udp_only);
	assert_int_equal(c->conf.listen[1].max_in_flight, 100);
	assert_int_equal(c->conf.listen[1].max_conns, 7);
	assert_int_equal(c->conf.listen[1].queue, 9);
	assert_true(c->conf.listen[1].udp_only);
	assert_int_equal(c->conf.tcp.recv_timeout_ns, 3 * SECOND);
	assert_int_equal(c->conf.tcp.send_timeout_ns, 4 * SECOND);
	assert_int_equal(c->conf.tcp.duration_ns, 5 * SECOND);
	assert_int_equal(c->conf.tcp.per_client, 6);
	assert_int_equal(c->conf.tcp.queries, 7);
	assert_int_equal(c->conf.tcp.idle_ns, 8 * SECOND);
	assert_int_equal(c->conf.tcp.cached, 9);
	assert_int_equal(c->conf.tcp.conns, BAL_TCP_CONNS);
	assert_int_equal(s->connect_timeout_ns, SECOND);
	assert_int_equal(s->send_timeout_ns, 2 * SECOND);
	assert_int_equal(s->recv_timeout_ns, 3 * SECOND);
	assert_int_equal(s->max_in_flight, 4);
	assert_int_equal(s->max_conns, 5);
	assert_int_equal(c->note_n, 0);
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_says_something_about_tcp_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
