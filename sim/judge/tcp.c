/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Just so much TCP (RFC 9293) as it takes to read the DNS messages that come over it: a stream
 * begins with its SYN, its bytes go by their sequence numbers into a buffer that starts where the
 * last message ended, and it is over with FIN or RST. Bytes that are there twice are the same
 * bytes. No acknowledgements, no windows, no options. What a stream may hold is bounded, and so is
 * what all hold; the oldest goes when there is one too many.
 */
#include <stdlib.h>
#include <string.h>

#include "inner.h"

enum {
	STREAMS_MAX = 4096,
	SPANS_MAX = 16,               /* pieces of a stream with gaps between them */
	STREAM_BYTES_MAX = 128 << 10, /* beyond the last whole message */
	BYTES_MAX = 64 << 20,         /* of all streams */
	FIN = 1, SYN = 2, RST = 4,
};

/* Bytes that have come, as offsets into the buffer. */
struct span {
	uint32_t from, to;
};

struct stream {
	uint64_t key;           /* 0: free */
	uint32_t seq;           /* of buf[0] */
	uint32_t cap;
	uint8_t *buf;
	struct span span[SPANS_MAX]; /* in order, not touching */
	unsigned span_n;
};

struct tcp {
	struct table streams;
	struct stream stream[STREAMS_MAX];
	unsigned next;          /* where to look for room, or for the oldest */
	size_t bytes;
	uint64_t given_up;
};

struct tcp *tcp_new(void)
{
	struct tcp *t = calloc(1, sizeof(*t));

	MUST(t != NULL);
	table_init(&t->streams, 64);
	return t;
}

static void stream_drop(struct tcp *t, struct stream *s)
{
	table_drop(&t->streams, s->key);
	t->bytes -= s->cap;
	free(s->buf);
	*s = (struct stream){ 0 };
}

void tcp_free(struct tcp *take_t)
{
	if (take_t == NULL)
		return;
	for (unsigned i = 0; i < STREAMS_MAX; i++)
		free(take_t->stream[i].buf);
	table_free(&take_t->streams);
	free(take_t);
}

uint64_t tcp_given_up(const struct tcp *t)
{
	return t->given_up;
}

static uint64_t stream_key(const struct ep *src, const struct ep *dst)
{
	return key_of(&src->ip, src->port, dst->port, key_of(&dst->ip, dst->port, 0, 0));
}

static struct stream *stream_find(struct tcp *t, uint64_t key)
{
	const uint64_t *v = table_find(&t->streams, key);

	return v != NULL ? &t->stream[*v] : NULL;
}

static void stream_open(struct tcp *t, uint64_t key, uint32_t seq)
{
	struct stream *s = stream_find(t, key);

	if (s != NULL && s->seq == seq)
		return; /* its SYN again */
	if (s != NULL)
		stream_drop(t, s);
	for (unsigned i = 0; i < STREAMS_MAX && t->stream[t->next].key != 0; i++)
		t->next = (t->next + 1) % STREAMS_MAX;
	s = &t->stream[t->next];
	if (s->key != 0) {
		t->given_up++;
		stream_drop(t, s);
	}
	s->key = key;
	s->seq = seq;
	table_put(&t->streams, key, t->next);
	t->next = (t->next + 1) % STREAMS_MAX;
}

/* Adds [from, to) to what has come. False when there are too many pieces. */
static bool span_add(struct stream *s, uint32_t from, uint32_t to)
{
	unsigned first = 0, last;

	while (first < s->span_n && s->span[first].to < from)
		first++;
	for (last = first; last < s->span_n && s->span[last].from <= to; last++) {
		from = s->span[last].from < from ? s->span[last].from : from;
		to = s->span[last].to > to ? s->span[last].to : to;
	}
	if (last == first && s->span_n == SPANS_MAX)
		return false;
	memmove(&s->span[first + 1], &s->span[last], (s->span_n - last) * sizeof(s->span[0]));
	s->span[first] = (struct span){ from, to };
	s->span_n += 1 - (last - first);
	return true;
}

/* Room for len bytes in the buffer. */
static bool stream_room(struct tcp *t, struct stream *s, size_t len)
{
	size_t cap = s->cap > 0 ? s->cap : 2048;

	while (cap < len)
		cap *= 2;
	if (cap == s->cap)
		return true;
	if (len > STREAM_BYTES_MAX || t->bytes + cap - s->cap > BYTES_MAX)
		return false;
	uint8_t *buf = realloc(s->buf, cap);
	MUST(buf != NULL);
	t->bytes += cap - s->cap;
	s->buf = buf;
	s->cap = (uint32_t)cap;
	return true;
}

/* Forgets the first n bytes, which have all come. */
static void stream_take(struct stream *s, uint32_t n)
{
	uint32_t end = s->span[s->span_n - 1].to;

	memmove(s->buf, s->buf + n, end - n);
	s->seq += n;
	for (unsigned i = 0; i < s->span_n; i++) {
		s->span[i].from -= i > 0 ? n : 0;
		s->span[i].to -= n;
	}
	if (s->span[0].to == 0)
		memmove(&s->span[0], &s->span[1], --s->span_n * sizeof(s->span[0]));
}

/* Bytes at the buffer's start without a gap. */
static uint32_t whole(const struct stream *s)
{
	return s->span_n > 0 && s->span[0].from == 0 ? s->span[0].to : 0;
}

/* Puts a segment's data in its place. False when the stream can't be followed any more. */
static bool stream_data(struct tcp *t, struct stream *s, uint32_t seq, const uint8_t *p,
                        uint32_t len)
{
	uint32_t at = seq - s->seq;

	if (at >= UINT32_MAX / 2) { /* before the buffer: all, or its beginning, was taken */
		uint32_t old = s->seq - seq;
		if (old >= len)
			return true;
		p += old;
		len -= old;
		at = 0;
	}
	if (len == 0)
		return true;
	if (at > STREAM_BYTES_MAX || !stream_room(t, s, (size_t)at + len) ||
	    !span_add(s, at, at + len))
		return false;
	memcpy(s->buf + at, p, len);
	return true;
}

bool tcp_segment(struct tcp *t, const struct frame *f,
                 void (*message)(void *of, const uint8_t *m, size_t len), void *of)
{
	uint64_t key = stream_key(&f->src, &f->dst);

	if ((f->tcp_flags & SYN) != 0)
		stream_open(t, key, f->tcp_seq + 1);
	struct stream *s = stream_find(t, key);
	if (s == NULL)
		return f->payload_len == 0;
	uint32_t seq = f->tcp_seq + ((f->tcp_flags & SYN) != 0);
	if (!stream_data(t, s, seq, f->payload, f->payload_len)) {
		t->given_up++;
		stream_drop(t, s);
		return false;
	}
	while (whole(s) >= 2 && whole(s) >= 2u + dns_get16(s->buf)) {
		uint32_t len = dns_get16(s->buf);
		message(of, s->buf + 2, len);
		stream_take(s, 2 + len);
	}
	bool over = (f->tcp_flags & FIN) != 0 && s->span_n == 0;
	if (over || (f->tcp_flags & RST) != 0)
		stream_drop(t, s);
	return true;
}
