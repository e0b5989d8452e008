/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of a file through zlib where they are gzip's, into format_next; see file.h. */
#include "file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum {
	AHEAD = 64 << 10, GZIP_BYTES = 64 << 10, TROUBLE_TEXT = 256,
	GZIP_WINDOW = 16 + MAX_WBITS, /* gzip's header, the largest window */
};

/* A file's bytes as they are. */
struct input {
	FILE *stream;
	int fd;            /* -1: the stream has none, it is a test's */
	uint64_t done, all;
	int err;           /* -errno of a read that failed */
};

/* What is in a gzip file (RFC 1952): one member or several, behind each other. */
struct gzip {
	z_stream z;
	bool started;      /* in the middle of a member */
	bool over;         /* nothing more is to be had */
	uint64_t members;  /* that are over */
	uint8_t bytes[GZIP_BYTES];
};

struct capture_file {
	struct input in;
	struct gzip *gzip; /* NULL: plain */
	bool over;         /* the input has no more bytes */
	struct format format;
	size_t at, end;    /* of buf: what format_next hasn't used */
	char trouble[TROUBLE_TEXT];
	uint8_t buf[FORMAT_NEED_MAX + AHEAD];
};

/* ---- bytes ---- */

/* Up to n bytes; 0 at the end, also when an error made it so. */
static size_t input_read(struct input *in, uint8_t *out, size_t n)
{
	ssize_t got;

	if (in->fd < 0) {
		got = (ssize_t)fread(out, 1, n, in->stream);
	} else {
		do
			got = read(in->fd, out, n);
		while (got < 0 && errno == EINTR);
	}
	if (got < 0) {
		in->err = -errno;
		return 0;
	}
	in->done += (uint64_t)got;
	return (size_t)got;
}

/* More of the input for zlib. False at its end. */
static bool gzip_more(struct input *in, struct gzip *g)
{
	if (g->z.avail_in == 0) {
		g->z.next_in = g->bytes;
		g->z.avail_in = (uInt)input_read(in, g->bytes, sizeof(g->bytes));
	}
	return g->z.avail_in > 0;
}

/*
 * Unpacks up to what there is room for. NULL, or what is wrong. What follows a member and isn't
 * another is ignored, as gzip does.
 */
static const char *gzip_inflate(struct input *in, struct gzip *g)
{
	if (!gzip_more(in, g)) {
		g->over = true;
		return g->started ? "its gzip stream is cut off" : NULL;
	}
	if (!g->started && inflateReset2(&g->z, GZIP_WINDOW) != Z_OK)
		return "zlib refuses";
	g->started = true;
	int got = inflate(&g->z, Z_NO_FLUSH);
	if (got == Z_STREAM_END) {
		g->started = false;
		g->members++;
	} else if (got != Z_OK && got != Z_BUF_ERROR) {
		g->over = true;
		return g->members > 0 && g->z.total_out == 0 ? NULL : "its gzip stream is broken";
	}
	return NULL;
}

/* Up to n bytes of what was packed; 0 at the end. */
static size_t gzip_read(struct capture_file *f, uint8_t *out, size_t n)
{
	struct gzip *g = f->gzip;

	g->z.next_out = out;
	g->z.avail_out = (uInt)n;
	while (g->z.avail_out == n && !g->over) {
		const char *trouble = gzip_inflate(&f->in, g);
		if (trouble != NULL)
			snprintf(f->trouble, sizeof(f->trouble), "%s", trouble);
	}
	return n - g->z.avail_out;
}

/* Reads on, or finds that there is nothing more. */
static void fill(struct capture_file *f)
{
	memmove(f->buf, f->buf + f->at, f->end - f->at);
	f->end -= f->at;
	f->at = 0;
	size_t room = sizeof(f->buf) - f->end, n = room < AHEAD ? room : AHEAD;
	MUST(n > 0);
	size_t got = f->gzip != NULL ? gzip_read(f, f->buf + f->end, n)
	                             : input_read(&f->in, f->buf + f->end, n);
	f->end += got;
	f->over = got == 0;
}

/* ---- packets ---- */

/* Says what is wrong, unless that was said nearer to where it happened. */
static int broken(struct capture_file *f)
{
	if (f->in.err < 0) {
		snprintf(f->trouble, sizeof(f->trouble), "%s", strerror(-f->in.err));
		return f->in.err;
	}
	if (f->trouble[0] == '\0')
		snprintf(f->trouble, sizeof(f->trouble), "%s, behind packet %" PRIu64
		         " at byte %" PRIu64, format_fault_text(f->format.fault), f->format.packets,
		         f->format.offset);
	return -EBADMSG;
}

int capture_file_next(struct capture_file *f, struct capture_packet *out)
{
	for (;;) {
		int used = format_next(&f->format, f->buf + f->at, f->end - f->at, f->over, out);
		if (used < 0)
			return broken(f);
		f->at += (size_t)used;
		if (out->bytes != NULL)
			return 1;
		if (used > 0)
			continue;
		if (f->over)
			return f->in.err < 0 || f->trouble[0] != '\0' ? broken(f) : 0;
		fill(f);
	}
}

/* ---- opening ---- */

/* Files that are often taken for captures, or hold one: what they are. */
static const char *known_as(const uint8_t *p, size_t n)
{
	static const struct { const char *magic; size_t n; const char *what; } row[] = {
		{ "\x28\xb5\x2f\xfd", 4, "packed with zstd" },
		{ "\xfd" "7zXZ", 5, "packed with xz" },
		{ "BZh", 3, "packed with bzip2" },
		{ "\x04\x22\x4d\x18", 4, "packed with lz4" },
	};

	for (size_t i = 0; i < COUNT_OF(row); i++)
		if (n >= row[i].n && memcmp(p, row[i].magic, row[i].n) == 0)
			return row[i].what;
	return NULL;
}

/* The file's first bytes are there: is it gzip? Then they go through zlib first. */
static int gzip_begin(struct capture_file *f)
{
	if (f->end < 2 || f->buf[0] != 0x1f || f->buf[1] != 0x8b)
		return 0;
	f->gzip = calloc(1, sizeof(*f->gzip));
	if (f->gzip == NULL || inflateInit2(&f->gzip->z, GZIP_WINDOW) != Z_OK)
		return -ENOMEM;
	MUST(f->end <= sizeof(f->gzip->bytes));
	memcpy(f->gzip->bytes, f->buf, f->end);
	f->gzip->z.next_in = f->gzip->bytes;
	f->gzip->z.avail_in = (uInt)f->end;
	f->gzip->started = true;
	f->end = 0;
	return 0;
}

/* Reads enough to know what the file is. */
static int begin(struct capture_file *f)
{
	struct capture_packet none;
	size_t got;

	do {
		got = input_read(&f->in, f->buf + f->end, 4096 - f->end);
		f->end += got;
	} while (got > 0 && f->end < 32);
	int err = f->in.err < 0 ? f->in.err : gzip_begin(f);
	while (err == 0 && f->format.kind == FORMAT_UNKNOWN) {
		err = format_next(&f->format, f->buf + f->at, f->end - f->at, f->over, &none);
		f->at += err > 0 ? (size_t)err : 0;
		if (err == 0)
			fill(f);
		err = err < 0 ? err : 0;
	}
	return err;
}

static int fail(struct capture_file *f, int err, const char *name, char error[CAPTURE_ERROR_TEXT])
{
	const char *known = known_as(f->buf, f->end);

	if (err != -EBADMSG || f->in.err < 0)
		snprintf(error, CAPTURE_ERROR_TEXT, "%.200s: %s", name,
		         strerror(f->in.err < 0 ? -f->in.err : -err));
	else if (known != NULL)
		snprintf(error, CAPTURE_ERROR_TEXT, "%.200s: %s: expected pcap or pcapng, plain or "
		         "gzip", name, known);
	else
		snprintf(error, CAPTURE_ERROR_TEXT, "%.200s: %s", name,
		         f->trouble[0] != '\0' ? f->trouble : format_fault_text(f->format.fault));
	capture_file_close(f);
	return err;
}

int capture_file_from(struct capture_file **out, FILE *take_stream, const char *name,
                      char error[CAPTURE_ERROR_TEXT])
{
	struct capture_file *f = malloc(sizeof(*f));
	struct stat st;

	*out = NULL;
	MUST(f != NULL);
	memset(f, 0, offsetof(struct capture_file, buf)); /* buf is only touched where it is used */
	format_init(&f->format);
	f->in = (struct input){ .stream = take_stream, .fd = fileno(take_stream) };
	if (f->in.fd >= 0 && fstat(f->in.fd, &st) == 0 && S_ISREG(st.st_mode))
		f->in.all = (uint64_t)st.st_size;
	int err = begin(f);
	if (err < 0)
		return fail(f, err, name, error);
	*out = f;
	return 0;
}

int capture_file_open(struct capture_file **out, const char *path, char error[CAPTURE_ERROR_TEXT])
{
	bool input = strcmp(path, "-") == 0;
	FILE *stream = input ? stdin : fopen(path, "rb");

	*out = NULL;
	if (stream != NULL)
		return capture_file_from(out, stream, input ? "standard input" : path, error);
	int err = -errno;
	snprintf(error, CAPTURE_ERROR_TEXT, "%.200s: %s", path, strerror(-err));
	return err;
}

const char *capture_file_trouble(const struct capture_file *f)
{
	return f->trouble[0] != '\0' ? f->trouble : NULL;
}

void capture_file_progress(const struct capture_file *f, uint64_t *done, uint64_t *all)
{
	*done = f->in.done;
	*all = f->in.all;
}

const struct format *capture_file_format(const struct capture_file *f)
{
	return &f->format;
}

void capture_file_close(struct capture_file *take_f)
{
	if (take_f == NULL)
		return;
	if (take_f->gzip != NULL)
		inflateEnd(&take_f->gzip->z);
	free(take_f->gzip);
	fclose(take_f->in.stream);
	free(take_f);
}
