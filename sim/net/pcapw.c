/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captures in order of time; see pcapw.h. Records lie in the buffer as they will lie in the file.
 * One that comes late is put in its place by moving the few behind it; what more than back records
 * lie behind is final, and written in chunks.
 */
#include "pcapw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	CHUNK = 64 << 10,
	ETHERNET = 1, SNAPLEN = 262144,
	RECORD_MAX = 16 + PCAPW_FRAME_MAX,
};

/* As libpcap writes them: in the machine's order of bytes, magic number first. */
struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, sigfigs, snaplen, link;
};

struct record_header {
	uint32_t s, ns, len, orig_len;
};

STATIC_MUST(sizeof(struct file_header) == 24);
STATIC_MUST(sizeof(struct record_header) == 16);

/* One of the last records. */
struct kept {
	int64_t t_ns;
	size_t at;                  /* in the buffer */
};

struct pcapw {
	int fd;
	int err;                    /* -errno of what kept something from being written */
	unsigned back;
	unsigned n;                 /* records in kept; the last back of them count */
	int64_t last_ns;            /* back 0: the last record's time */
	uint64_t records;
	uint64_t bytes;
	size_t used;                /* of buf */
	uint8_t *buf;               /* NULL until the first record */
	struct kept *kept;          /* room for 2 * back, in the file's order */
};

int pcapw_open(struct pcapw **out, const char *path, unsigned back)
{
	*out = NULL;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	struct pcapw *w = calloc(1, sizeof(*w));
	MUST(w != NULL);
	w->fd = fd;
	w->back = back;
	w->bytes = sizeof(struct file_header);
	*out = w;
	return 0;
}

/* Takes the buffer, whose pages are touched only as it fills; the file's header comes first. */
static void prepare(struct pcapw *w)
{
	static const struct file_header h = { 0xa1b23c4d, 2, 4, 0, 0, SNAPLEN, ETHERNET };

	w->buf = malloc(CHUNK + (size_t)(w->back + 1) * RECORD_MAX);
	MUST(w->buf != NULL);
	if (w->back > 0) {
		w->kept = malloc((size_t)w->back * 2 * sizeof(*w->kept));
		MUST(w->kept != NULL);
	}
	memcpy(w->buf, &h, sizeof(h));
	w->used = sizeof(h);
}

static void write_out(struct pcapw *w, size_t len)
{
	for (size_t at = 0; at < len && w->err == 0;) {
		ssize_t n = write(w->fd, w->buf + at, len - at);
		if (n > 0)
			at += (size_t)n;
		else if (n == 0 || errno != EINTR)
			w->err = n == 0 ? -EIO : -errno;
	}
}

/* The first record in kept that something may still come before. */
static unsigned open_from(const struct pcapw *w)
{
	return w->n > w->back ? w->n - w->back : 0;
}

/* Forgets the places of those in front of it. */
static void forget(struct pcapw *w)
{
	unsigned first = open_from(w);

	w->n -= first;
	memmove(w->kept, w->kept + first, w->n * sizeof(*w->kept));
}

/* Writes a chunk, if so much is final. */
static void drain(struct pcapw *w)
{
	if (w->back > 0) {
		if (w->kept[open_from(w)].at < CHUNK)
			return;
		forget(w);
		for (unsigned i = 0; i < w->n; i++)
			w->kept[i].at -= CHUNK;
	}
	write_out(w, CHUNK);
	w->used -= CHUNK;
	memmove(w->buf, w->buf + CHUNK, w->used);
}

/* Makes way for a record among the last ones. Returns where it goes. */
static size_t put_in_order(struct pcapw *w, int64_t t_ns, size_t size)
{
	if (w->n == 2 * w->back)
		forget(w);
	unsigned i = w->n, first = open_from(w);
	size_t at = w->used;
	for (; i > first && w->kept[i - 1].t_ns > t_ns; i--) {
		at = w->kept[i - 1].at;
		w->kept[i] = (struct kept){ w->kept[i - 1].t_ns, at + size };
	}
	w->kept[i] = (struct kept){ t_ns, at };
	w->n++;
	if (at < w->used)
		memmove(w->buf + at + size, w->buf + at, w->used - at);
	return at;
}

void pcapw_add(struct pcapw *w, int64_t t_ns, const uint8_t *frame, size_t len, size_t orig_len)
{
	struct record_header h = { (uint32_t)(t_ns / 1000000000), (uint32_t)(t_ns % 1000000000),
	                           (uint32_t)len, (uint32_t)orig_len };
	size_t size = sizeof(h) + len, at = w->used;

	MUST(len <= PCAPW_FRAME_MAX && len <= orig_len && t_ns >= 0);
	if (w->buf == NULL) {
		prepare(w);
		at = w->used;
	}
	if (w->back > 0) {
		at = put_in_order(w, t_ns, size);
	} else {
		MUST(t_ns >= w->last_ns);
		w->last_ns = t_ns;
	}
	memcpy(w->buf + at, &h, sizeof(h));
	memcpy(w->buf + at + sizeof(h), frame, len);
	w->used += size;
	w->records++;
	w->bytes += size;
	if (w->used >= CHUNK)
		drain(w);
}

uint64_t pcapw_records(const struct pcapw *w)
{
	return w->records;
}

uint64_t pcapw_bytes(const struct pcapw *w)
{
	return w->bytes;
}

int pcapw_close(struct pcapw *take_w)
{
	if (take_w->buf == NULL)
		prepare(take_w);
	write_out(take_w, take_w->used);
	int err = take_w->err;
	if (close(take_w->fd) != 0 && err == 0)
		err = -errno;
	free(take_w->kept);
	free(take_w->buf);
	free(take_w);
	return err;
}
