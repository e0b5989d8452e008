/* SPDX-License-Identifier: BSD-3-Clause */
/* The clients' shell on real sockets: two servers answer, drop or truncate as a row says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "load_plan.h"
#include "loopback.h"
#include "sim/load/shell/shell.h"

#define MS 1000000ll
enum { QUERIES = 60, SERVERS = 2 };

enum manner { ANSWER, DROP, TRUNCATE, NOBODY };

/* A server's way with queries: over UDP, and whether it listens on TCP and then answers. */
struct server {
	enum manner udp, tcp;
};

struct row {
	const char *what;
	unsigned family, tries;
	struct server server[SERVERS];
	unsigned answered, timed_out; /* of QUERIES */
	bool retries, tcp;
};

static int open_server(const struct ep *at, int type)
{
	struct sockaddr_storage ss;
	socklen_t len = host_sockaddr(at, &ss);
	int fd = socket(ss.ss_family, type | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); /* the row before's TIME_WAIT */
	MUST(fd >= 0 && bind(fd, (struct sockaddr *)&ss, len) == 0);
	MUST(type == SOCK_DGRAM || listen(fd, 100) == 0);
	return fd;
}

static void serve_udp(int fd, enum manner manner)
{
	uint8_t m[512];
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	ssize_t n = recvfrom(fd, m, sizeof(m), 0, (struct sockaddr *)&ss, &len);

	if (n < DNS_HEADER || manner == DROP)
		return;
	dns_put16(m + 2, (uint16_t)(DNS_QR | DNS_RD | (manner == TRUNCATE ? DNS_TC : 0)));
	sendto(fd, m, (size_t)n, 0, (struct sockaddr *)&ss, len);
}

/* One connection; DROP closes it when it has read the query. */
static void serve_tcp(int listener, enum manner manner)
{
	uint8_t m[512];
	int fd = accept(listener, NULL, NULL);
	ssize_t n = recv(fd, m, sizeof(m), 0);

	if (n > 2 + DNS_HEADER && manner == ANSWER) {
		dns_put16(m + 4, DNS_QR | DNS_RD);
		for (ssize_t i = 0; i < n; i++) /* byte by byte: framing must cope */
			send(fd, m + i, 1, MSG_NOSIGNAL);
	}
	close(fd);
}

static _Noreturn void serve(const struct row *r, const struct ep at[SERVERS], int ready)
{
	struct pollfd p[2 * SERVERS];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < 2 * SERVERS; i++) {
		enum manner m = i % 2 ? r->server[i / 2].tcp : r->server[i / 2].udp;
		p[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
		if (m != NOBODY)
			p[i].fd = open_server(&at[i / 2], i % 2 ? SOCK_STREAM : SOCK_DGRAM);
	}
	MUST(write(ready, "r", 1) == 1);
	while (poll(p, COUNT_OF(p), -1) >= 0)
		for (unsigned i = 0; i < COUNT_OF(p); i++)
			if (p[i].revents != 0 && i % 2)
				serve_tcp(p[i].fd, r->server[i / 2].tcp);
			else if (p[i].revents != 0)
				serve_udp(p[i].fd, r->server[i / 2].udp);
	_exit(1);
}

static pid_t start_servers(const struct row *r, const struct load_plan *t)
{
	struct ep at[SERVERS];
	int ready[2];
	char c;

	for (unsigned i = 0; i < SERVERS; i++)
		at[i] = (struct ep){ t->node[1 + i].addr[r->family == 6], 53 };
	MUST(pipe(ready) == 0);
	pid_t pid = fork();
	MUST(pid >= 0);
	if (pid == 0)
		serve(r, at, ready[1]);
	close(ready[1]);
	MUST(read(ready[0], &c, 1) == 1);
	close(ready[0]);
	return pid;
}

static void make_plan(struct load_plan *t, const struct row *r)
{
	load_plan_init(t);
	MUST(prefix_parse(&t->node[0].net[0], "127.1.0.0/16") == 0);
	MUST(prefix_parse(&t->node[0].net[1], "fd00:1::/125") == 0);
	for (unsigned i = 0; i < SERVERS; i++) {
		t->node[1 + i].addr[0] = ip_v4(127, 0, 0, (uint8_t)(2 + i));
		MUST(ip_parse(&t->node[1 + i].addr[1], i ? "fd00::3" : "fd00::2") == 0);
	}
	t->load[0].clients = r->family == 4 ? 200 : 7;
	t->load[0].family = r->family;
	t->load[0].arrivals = PLAN_CONSTANT;
	t->load[0].rate_mqps = 400000;
	t->load[0].to_ns = QUERIES * LOAD_PLAN_S / 400;
	t->load[0].timeout_ns = 150 * MS;
	t->load[0].tries = r->tries;
}

#define BOTH(udp, tcp) { { udp, tcp }, { udp, tcp } }

static const struct row rows[] = {
	{ "both answer", 4, 1, BOTH(ANSWER, NOBODY), QUERIES, 0, false, false },
	{ "both answer", 6, 1, BOTH(ANSWER, NOBODY), QUERIES, 0, false, false },
	{ "nobody answers", 4, 2, BOTH(DROP, NOBODY), 0, QUERIES, true, false },
	{ "nobody is there", 4, 1, BOTH(NOBODY, NOBODY), 0, QUERIES, false, false },
	{ "one drops", 4, 2, { { DROP, NOBODY }, { ANSWER, NOBODY } }, QUERIES, 0, true, false },
	{ "one drops", 6, 2, { { ANSWER, NOBODY }, { DROP, NOBODY } }, QUERIES, 0, true, false },
	{ "truncated, then TCP", 4, 1, BOTH(TRUNCATE, ANSWER), QUERIES, 0, false, true },
	{ "truncated, then TCP", 6, 1, BOTH(TRUNCATE, ANSWER), QUERIES, 0, false, true },
	{ "TCP is refused", 4, 1, BOTH(TRUNCATE, NOBODY), 0, QUERIES, false, true },
	{ "TCP is closed", 4, 2, { { TRUNCATE, DROP }, { ANSWER, NOBODY } }, QUERIES, 0, true,
	  true },
};

static void run_row(const struct row *r, struct load_result *res)
{
	struct load_plan t;

	make_plan(&t, r);
	pid_t pid = start_servers(r, &t);
	int err = load_shell_run(&t.plan, 0, host_mono_ns() + 5 * MS, res);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	const struct load_counts *c = &res->counts;
	if (err != 0 || c->answered != r->answered || c->timed_out != r->timed_out)
		fail_msg("%s, IPv%u: error %d, answered %u, timed out %u", r->what, r->family, err,
		         (unsigned)c->answered, (unsigned)c->timed_out);
	assert_true(c->sent == QUERIES && c->open == 0 && c->unmatched == 0 && c->broken == 0);
	assert_true((c->retries > 0) == r->retries && (c->tcp > 0) == r->tcp);
	assert_true(res->unsent == 0 && res->late_ns.n == c->sent + c->retries);
	assert_true(atomic_load(&res->done) == 1 && atomic_load(&res->answered) == c->answered);
	memset(res, 0, sizeof(*res));
}

static void queries_are_settled_on_real_sockets(void **state)
{
	struct load_result *res = calloc(1, sizeof(*res));
	struct load_plan t;

	(void)state;
	assert_non_null(res);
	if (loopback_enter() < 0) {
		free(res);
		print_message("no namespace for an ordinary user here\n");
		skip();
	}
	make_plan(&t, &rows[1]);
	for (unsigned i = 0; i < SERVERS; i++)
		assert_int_equal(loopback_add6(&t.node[1 + i].addr[1]), 0);
	for (unsigned i = 0; i < t.load[0].clients; i++) {
		struct ip ip = load_client(&t.plan, 0, i);
		assert_int_equal(loopback_add6(&ip), 0);
	}
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		run_row(&rows[i], res);
	free(res);
}

static void a_load_that_cannot_be_generated_is_refused(void **state)
{
	struct load_result *res = calloc(1, sizeof(*res));
	struct load_plan t;

	(void)state;
	load_plan_init(&t);
	t.load[0].rate_mqps = 0;
	assert_int_equal(load_shell_run(&t.plan, 0, 0, res), -EINVAL);
	assert_true(res->error == -EINVAL && atomic_load(&res->done) == 1);
	free(res);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_load_that_cannot_be_generated_is_refused),
		cmocka_unit_test(queries_are_settled_on_real_sockets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
