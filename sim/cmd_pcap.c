/* SPDX-License-Identifier: BSD-3-Clause */
/* evenkeel pcap: captures merged, cut, filtered and anonymized. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "lib/host/host.h"
#include "sim/pcap/key.h"
#include "sim/pcap/rewrite.h"
#include "sim/pcap/writer.h"
#include "sim/report/progress.h"

enum { PORTS_MAX = 64, STEPS = 4096 };

struct arguments {
	struct rewrite_options o;
	struct cut cut;
	struct moment start;
	const char *key;
	bool merge;
	uint16_t port[PORTS_MAX];
	struct permute_kept kept[PERMUTE_KEPT_MAX];
};

static volatile sig_atomic_t stopped;

static void usage(FILE *to)
{
	fputs("usage: evenkeel pcap --out FILE [--cut FROM..TO] [--filter EXPR] [--anonymize KEY]\n"
	      "                     [--port N]... [--keep NAME]... [--raw] [--start WHEN] FILE\n"
	      "       evenkeel pcap --out FILE --merge [OPTION]... FILE...\n\n"
	      "Writes captures as one pcap with nanoseconds. pcap and pcapng, plain or gzip, are\n"
	      "read; - is standard input, and with --out standard output.\n\n"
	      "  --out FILE       the capture to write; a file is there once it is whole\n"
	      "  --merge          several files, merged by time\n"
	      "  --cut FROM..TO   packets from FROM on and before TO, either of which may be left\n"
	      "                   out: 90s behind the first packet, @1700000000.5 in Unix time,\n"
	      "                   or 2026-11-27T06:00:00Z\n"
	      "  --filter EXPR    packets that match, before they are anonymized: pcap-filter(7)\n"
	      "  --anonymize KEY  addresses permuted with a key, prefixes preserved; names hashed\n"
	      "                   label by label; what can't be read left out. KEY is file:PATH,\n"
	      "                   env:NAME, or itself, of 16 bytes at least\n"
	      "  --port N         to anonymize: what is to or from this port is DNS (53);\n"
	      "                   repeatable\n"
	      "  --keep NAME      to anonymize: this name stays, and those above it; repeatable.\n"
	      "                   a.root-servers.net, which health checks ask for, always does\n"
	      "  --raw            without link layers: IP packets alone\n"
	      "  --start WHEN     shift all times so that the first packet has this one, such as\n"
	      "                   @0\n"
	      "  --help           print this\n\n"
	      "Exit status: 0; 2 when a file can't be read or written or isn't a capture.\n", to);
}

/* Complains about an option's value. */
static int refuse(const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "evenkeel pcap: --%s %s: expected %s\n", option, value, expected);
	return EXIT_USAGE;
}

static int add_port(struct arguments *a, const char *text)
{
	uint64_t port;

	if (a->o.port_n == PORTS_MAX)
		return complain("--port: at most 64 of them");
	if (parse_number("port", text, 1, UINT16_MAX, &port) < 0)
		return EXIT_USAGE;
	a->port[a->o.port_n++] = (uint16_t)port;
	return -1;
}

/* Returns an exit status, or -1: go on. */
static int add_kept(struct arguments *a, const char *text)
{
	uint8_t wire[DNS_NAME_MAX];

	if (a->o.kept_n == PERMUTE_KEPT_MAX)
		return complain("--keep: at most 15 of them");
	int n = dns_name_parse(wire, text);
	if (n < 0)
		return refuse("keep", text, "a domain name");
	struct permute_kept *k = &a->kept[a->o.kept_n++];
	dns_name_lower(k->name, wire, (size_t)n);
	k->len = (uint8_t)n;
	return -1;
}

/* Takes one option. Returns an exit status, or -1: go on. */
static int option(struct arguments *a, int c)
{
	static const char cut[] = "FROM..TO with FROM before TO, such as 90s..2m, @1700000000.. or "
	                          "..2026-11-27T06:00:00Z";
	static const char start[] = "@SECONDS or a date such as 2026-11-27T06:00:00Z, before 2106";

	switch (c) {
	case 'o':
		a->o.out = optarg;
		return -1;
	case 'm':
		a->merge = true;
		return -1;
	case 'c':
		a->o.cut = &a->cut;
		return cut_parse(&a->cut, optarg) < 0 ? refuse("cut", optarg, cut) : -1;
	case 'f':
		a->o.filter = optarg;
		return -1;
	case 'a':
		a->key = optarg;
		return -1;
	case 'p':
		return add_port(a, optarg);
	case 'k':
		return add_kept(a, optarg);
	case 'r':
		a->o.raw = true;
		return -1;
	case 's':
		a->o.start = &a->start;
		if (moment_parse(&a->start, optarg) == 0 && a->start.absolute &&
		    a->start.ns <= WRITER_LAST_NS)
			return -1;
		return refuse("start", optarg, start);
	case 'h':
		usage(stdout);
		return 0;
	default:
		return EXIT_USAGE;
	}
}

static int check(const struct arguments *a)
{
	if (a->o.path_n == 0)
		return complain("pcap: no capture given: see evenkeel pcap --help");
	if (a->o.path_n > CAPTURE_FILES_MAX)
		return complain("pcap: at most 4096 captures at once");
	if (a->o.out == NULL)
		return complain("pcap: --out FILE says where to write to");
	if (a->o.path_n > 1 && !a->merge)
		return complain("pcap: several captures are put together with --merge");
	if (a->o.port_n > 0 && a->key == NULL)
		return complain("pcap: --port belongs to --anonymize");
	if (a->o.kept_n > 1 && a->key == NULL)
		return complain("pcap: --keep belongs to --anonymize");
	return -1;
}

static int parse(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{ "out", required_argument, NULL, 'o' }, { "merge", no_argument, NULL, 'm' },
		{ "cut", required_argument, NULL, 'c' }, { "filter", required_argument, NULL, 'f' },
		{ "anonymize", required_argument, NULL, 'a' },
		{ "port", required_argument, NULL, 'p' },
		{ "keep", required_argument, NULL, 'k' }, { "raw", no_argument, NULL, 'r' },
		{ "start", required_argument, NULL, 's' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int status = add_kept(a, "a.root-servers.net."); /* dnsdist's health checks */

	for (int c; status < 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
		status = option(a, c);
	a->o.port = a->port;
	a->o.kept = a->kept;
	a->o.path = (const char *const *)(argv + optind);
	a->o.path_n = (unsigned)(argc - optind);
	return status >= 0 ? status : check(a);
}

static void on_signal(int n)
{
	stopped = n;
}

static void listen_for_signals(void (*handler)(int))
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction act = { .sa_handler = handler };

	for (size_t i = 0; i < COUNT_OF(signals); i++)
		sigaction(signals[i], &act, NULL);
	signal(SIGPIPE, SIG_IGN); /* it is an error of writing */
}

/* Reads it all. Returns 0 or -errno with a line in error; 1: a signal came. */
static int rewrite_all(struct rewrite *r, const struct capture *c,
                       char error[CAPTURE_ERROR_TEXT])
{
	struct progress p;
	int more = 1;

	progress_start(&p, stderr, "rewriting", host_mono_ns());
	for (unsigned n = 0; more > 0 && stopped == 0; n++) {
		more = rewrite_step(r, error);
		if (n % STEPS != 0)
			continue;
		uint64_t done, all;
		capture_progress(c, &done, &all);
		progress_update(&p, host_mono_ns(), (int64_t)done, (int64_t)all, NULL);
	}
	progress_end(&p);
	return more < 0 ? more : stopped != 0 ? 1 : rewrite_finish(r, error);
}

static void tell_count(uint64_t n, const char *name, const char *prose)
{
	if (n > 0)
		fprintf(stderr, "  %9llu  %s: %s\n", (unsigned long long)n, name, prose);
}

static void tell_kind(const uint64_t *count, enum anon_kind kind, const char *head)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < ANON_COUNTS; i++)
		sum += anon_count_row[i].kind == kind ? count[i] : 0;
	if (sum == 0)
		return;
	fprintf(stderr, "%s\n", head);
	for (unsigned i = 0; i < ANON_COUNTS; i++)
		if (anon_count_row[i].kind == kind)
			tell_count(count[i], anon_count_row[i].name, anon_count_row[i].prose);
}

/* What became of the packets, for people. */
static void tell(const struct rewrite *r, const struct capture *c, const struct rewrite_options *o)
{
	struct rewrite_counts n = rewrite_counts(r);

	for (unsigned i = 0; i < o->path_n; i++)
		if (capture_trouble(c, i) != NULL)
			fprintf(stderr, "evenkeel pcap: %s: %s\n", o->path[i],
			        capture_trouble(c, i));
	fprintf(stderr, "%llu packets read, %llu written\n", (unsigned long long)n.read,
	        (unsigned long long)n.written);
	tell_count(n.record, "record", "the capture's record contradicts itself, or has no time");
	tell_count(n.cut, "cut", "outside of --cut");
	tell_count(n.filter, "filter", "not matched by --filter");
	tell_count(n.late, "late", "of a time after 2106-02-07T06:28:15Z, a pcap's last");
	tell_count(n.link, "link", "of another link layer than the file's; see --raw");
	if (n.anon == NULL)
		return;
	tell_kind(n.anon, ANON_DROPPED, "left out, as they couldn't be anonymized:");
	tell_kind(n.anon, ANON_BLANKED, "given in part:");
}

int cmd_pcap(int argc, char **argv)
{
	struct arguments a = { 0 };
	char error[CAPTURE_ERROR_TEXT];
	uint8_t key[PRF_KEY];
	struct rewrite *r;
	struct capture *c;

	int err = parse(argc, argv, &a);
	if (err >= 0)
		return err;
	listen_for_signals(on_signal);
	err = a.key != NULL ? key_read(key, a.key, error) : 0;
	a.o.key = a.key != NULL ? key : NULL;
	if (err == 0)
		err = rewrite_open(&r, &a.o, &c, error);
	if (err == 0) {
		err = rewrite_all(r, c, error);
		if (err == 0)
			tell(r, c, &a.o);
		rewrite_discard(r);
	}
	if (stopped != 0) {
		listen_for_signals(SIG_DFL);
		raise(stopped);
	}
	if (err < 0)
		fprintf(stderr, "evenkeel pcap: %s\n", error);
	return err < 0 ? EXIT_USAGE : 0;
}
