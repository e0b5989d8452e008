/* SPDX-License-Identifier: BSD-3-Clause */
/* The other end of the console: one command, or those of standard input; see control.h. */
#include "control.h"

#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "balancer/admin/link.h"
#include "lib/host/host.h"

enum { IN = 65536 };

struct client {
	int fd;
	struct link *link;
	uint8_t in[IN];
	size_t in_n, in_at;
};

static int fatal(const char *what, const char *why)
{
	fprintf(stderr, "Fatal error: %s%s\n", what, why);
	return 1;
}

static bool send_all(int fd, const uint8_t *data, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t sent = send(fd, data + done, n - done, MSG_NOSIGNAL);
		if (sent < 0 && errno != EINTR)
			return false;
		done += sent > 0 ? (size_t)sent : 0;
	}
	return true;
}

/* The next event of the link but LINK_MORE; -ENOTCONN: the server closed. */
static int next(struct client *c, const char **text, size_t *len)
{
	for (;;) {
		size_t used;
		int r = link_eat(c->link, c->in + c->in_at, c->in_n - c->in_at, &used, text, len);
		c->in_at += used;
		if (r != LINK_MORE)
			return r;
		ssize_t n = recv(c->fd, c->in, IN, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -ENOTCONN;
		c->in_at = 0;
		c->in_n = (size_t)n;
	}
}

/* Runs one command and prints its answer. False: the connection is over. */
static bool ask(struct client *c, const char *line, size_t len)
{
	uint8_t *out = malloc(link_sealed(len));
	const char *text = NULL;
	size_t n = 0;

	MUST(out != NULL);
	link_seal(c->link, line, len, out);
	bool sent = send_all(c->fd, out, link_sealed(len));
	free(out);
	if (!sent || next(c, &text, &n) != LINK_TEXT)
		return false;
	fwrite(text, 1, n, stdout);
	fflush(stdout);
	return true;
}

static int converse(struct client *c)
{
	bool person = isatty(STDIN_FILENO);
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	for (;;) {
		if (person) {
			printf("> ");
			fflush(stdout);
		}
		n = getline(&line, &room, stdin);
		if (n > 0 && line[n - 1] == '\n')
			n--;
		if (n < 0 || (n == 4 && memcmp(line, "quit", 4) == 0))
			break;
		if (n > 0 && !ask(c, line, (size_t)n)) {
			free(line);
			return fatal("", "the server closed the connection");
		}
	}
	free(line);
	return 0;
}

static int open_link(struct client *c, const struct admin_console *conf)
{
	struct sockaddr_storage ss;
	socklen_t len = host_sockaddr(&conf->listen, &ss);
	uint8_t nonce[LINK_NONCE];
	const char *text = NULL;
	size_t n = 0;

	c->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	randombytes_buf(nonce, sizeof(nonce));
	c->link = link_new(conf->key, nonce, LINK_ANSWER_MAX);
	if (!send_all(c->fd, nonce, sizeof(nonce)) || next(c, &text, &n) != LINK_BEGUN)
		return -ENOTCONN;
	/* An empty command finds out whether both have the same key. */
	return ask(c, "", 0) ? 0 : -EBADMSG;
}

int control_client(const struct admin_console *conf, const char *command)
{
	static struct client c;
	char addr[EP_TEXT], what[EP_TEXT + 32];

	if (!conf->keyed)
		return fatal("", "no key: expected setKey in the configuration, or --setkey");
	ep_format(&conf->listen, addr);
	snprintf(what, sizeof(what), "console at %s: ", addr);
	int err = open_link(&c, conf);
	if (err == -EBADMSG || err == -ENOTCONN)
		return fatal(what, "it closed the connection: another key, no key, or its access "
		             "list");
	if (err < 0)
		return fatal(what, strerror(-err));
	int status = 0;
	if (command == NULL)
		status = converse(&c);
	else if (!ask(&c, command, strlen(command)))
		status = fatal(what, "it closed the connection");
	link_free(c.link);
	close(c.fd);
	return status;
}
