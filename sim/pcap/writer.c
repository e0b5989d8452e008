/* SPDX-License-Identifier: BSD-3-Clause */
/* libpcap's dumper over a file that is renamed when it is whole; see writer.h. */
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dlt.h"

struct writer {
	const char *path;
	char *part;             /* its name until it is whole; NULL: it has none */
	FILE *file;
	pcap_t *dead;
	pcap_dumper_t *dumper;  /* owns file */
	uint16_t link;
	uint64_t packets;
};

static int fail(char error[CAPTURE_ERROR_TEXT], const char *path, const char *why, int err)
{
	snprintf(error, CAPTURE_ERROR_TEXT, "--out %s: %s", path, why);
	return err;
}

/* Whether path is there as one of the inputs. */
static const char *is_input(const struct stat *out, const char *const *input, unsigned n)
{
	struct stat in;

	for (unsigned i = 0; i < n; i++) {
		int err = strcmp(input[i], "-") == 0 ? fstat(STDIN_FILENO, &in)
		                                     : stat(input[i], &in);
		if (err == 0 && S_ISREG(in.st_mode) && in.st_dev == out->st_dev &&
		    in.st_ino == out->st_ino)
			return input[i];
	}
	return NULL;
}

/* A new file beside path, with the mode that path would get. */
static int open_part(struct writer *w)
{
	size_t n = strlen(w->path) + sizeof(".XXXXXX");
	mode_t mask = umask(0);

	umask(mask);
	w->part = malloc(n);
	MUST(w->part != NULL);
	snprintf(w->part, n, "%s.XXXXXX", w->path);
	int fd = mkostemp(w->part, O_CLOEXEC);
	if (fd < 0) {
		int err = -errno;
		free(w->part);
		w->part = NULL;
		return err;
	}
	if (fchmod(fd, 0666 & ~mask) != 0) {
		int err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* Standard output, what isn't a file as it is, and files by a part. Returns an open file. */
static int open_file(struct writer *w, const char *const *input, unsigned n,
                     char error[CAPTURE_ERROR_TEXT])
{
	bool standard = strcmp(w->path, "-") == 0;
	struct stat st;
	int fd;

	bool there = standard ? fstat(STDOUT_FILENO, &st) == 0 : stat(w->path, &st) == 0;
	const char *same = there && S_ISREG(st.st_mode) ? is_input(&st, input, n) : NULL;
	if (same != NULL)
		return fail(error, w->path, "is also a capture to be read", -EINVAL);
	if (standard && isatty(STDOUT_FILENO) == 1)
		return fail(error, w->path, "a capture isn't written to a terminal", -EINVAL);
	if (standard)
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	else if (there && !S_ISREG(st.st_mode))
		fd = open(w->path, O_WRONLY | O_CLOEXEC);
	else
		fd = open_part(w);
	int err = fd < 0 ? standard || there ? -errno : fd : 0;
	return err < 0 ? fail(error, w->path, strerror(-err), err) : fd;
}

int writer_open(struct writer **out, const char *path, const char *const *input, unsigned n,
                char error[CAPTURE_ERROR_TEXT])
{
	struct writer *w = calloc(1, sizeof(*w));

	MUST(w != NULL);
	*out = NULL;
	w->path = path;
	w->link = LINK_ETHERNET;
	int fd = open_file(w, input, n, error);
	if (fd < 0) {
		writer_discard(w);
		return fd;
	}
	w->file = fdopen(fd, "wb");
	MUST(w->file != NULL);
	*out = w;
	return 0;
}

void writer_link(struct writer *w, uint16_t link)
{
	MUST(w->dumper == NULL);
	w->link = link;
}

/* The file's header. */
static int begin(struct writer *w)
{
	if (w->dumper != NULL)
		return 0;
	w->dead = pcap_open_dead_with_tstamp_precision(dlt_of_link(w->link), CAPTURE_SNAP_MAX,
	                                               PCAP_TSTAMP_PRECISION_NANO);
	MUST(w->dead != NULL);
	errno = 0;
	w->dumper = pcap_dump_fopen(w->dead, w->file);
	if (w->dumper == NULL)
		return errno != 0 ? -errno : -EIO;
	w->file = NULL;
	return 0;
}

int writer_add(struct writer *w, const struct capture_packet *p)
{
	int64_t t_ns = p->t_ns > 0 ? p->t_ns : 0;
	struct pcap_pkthdr h = {
		.ts = { .tv_sec = t_ns / 1000000000, .tv_usec = t_ns % 1000000000 },
		.caplen = p->len, .len = p->wire_len,
	};

	MUST(p->link == w->link && t_ns <= WRITER_LAST_NS);
	int err = begin(w);
	if (err < 0)
		return err;
	errno = 0;
	pcap_dump((u_char *)w->dumper, &h, p->bytes);
	w->packets++;
	if (!ferror(pcap_dump_file(w->dumper)))
		return 0;
	return errno != 0 ? -errno : -EIO;
}

uint64_t writer_packets(const struct writer *w)
{
	return w->packets;
}

int writer_finish(struct writer *take_w)
{
	int err = begin(take_w);

	errno = 0;
	if (err == 0 && pcap_dump_flush(take_w->dumper) != 0)
		err = errno != 0 ? -errno : -EIO;
	if (err == 0 && take_w->part != NULL && rename(take_w->part, take_w->path) != 0)
		err = -errno;
	if (err == 0) {
		free(take_w->part);
		take_w->part = NULL;
	}
	writer_discard(take_w);
	return err;
}

void writer_discard(struct writer *take_w)
{
	if (take_w == NULL)
		return;
	if (take_w->dumper != NULL)
		pcap_dump_close(take_w->dumper);
	if (take_w->file != NULL)
		fclose(take_w->file);
	if (take_w->dead != NULL)
		pcap_close(take_w->dead);
	if (take_w->part != NULL)
		unlink(take_w->part);
	free(take_w->part);
	free(take_w);
}
