/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The DNS messages of captured traffic, one after the other: the one way in which captures are
 * read.
 *
 *	struct capture_options o = { .path = paths, .path_n = n };
 *	if (capture_open(&c, &o, error) < 0)
 *		complain(error);
 *	while (capture_next(c, &m))
 *		...   m.t_ns, *capture_client(&m), m.m[0..m.len), m.tcp, m.connection, m.answer
 *	capture_close(c);
 *
 * Several files are one capture, merged by time: each file's packets come in its own order, and
 * of two files' next packets the one with the earlier time first. One pass, so standard input
 * will do. Memory is taken at opening and is the same for any length and any content; what had to
 * be given up for that is counted. docs/captures.md says what is read, and what isn't.
 */
#ifndef EK_CAPTURE_CAPTURE_H
#define EK_CAPTURE_CAPTURE_H

#include "sim/capture/core/dissect.h"
#include "sim/capture/file.h"

struct capture;

struct capture_options {
	const char *const *path; /* "-": standard input */
	unsigned path_n;         /* from 1 on */
	const char *filter;      /* of packets (filter.h); others aren't there. NULL: none */
	const int64_t *ahead_ns; /* how far each file's clock is ahead, taken off; NULL: nothing */
	struct dissect_options dissect; /* all zero will do: port 53, the seed is drawn */
};

enum { CAPTURE_FILES_MAX = 4096 };

/*
 * Returns 0; or, with one line in error, -errno when a file can't be opened, -EBADMSG when one
 * isn't a capture, -EINVAL when the filter is wrong. What o points to is borrowed until
 * capture_close.
 */
int capture_open(struct capture **out, const struct capture_options *o,
                 char error[CAPTURE_ERROR_TEXT]) MUST_CHECK;
/* The next message. False: there are no more; counts are final then. */
bool capture_next(struct capture *c, struct capture_message *m);
/*
 * The same for who has something else to do now and then: CAPTURE_NOTHING after CAPTURE_PATIENCE
 * packets without a message, CAPTURE_OVER in place of false.
 */
enum capture_step { CAPTURE_OVER, CAPTURE_MESSAGE, CAPTURE_NOTHING };
enum { CAPTURE_PATIENCE = 65536 };
enum capture_step capture_step(struct capture *c, struct capture_message *m);
/*
 * The next packet of any kind, unread, with its file. Use either this or capture_next on a
 * capture.
 */
bool capture_next_packet(struct capture *c, struct capture_packet *p, unsigned *file);

/*
 * The link type that the next packets of all files have. Before the first packet was asked for it
 * tells what to expect.
 */
enum { CAPTURE_NO_PACKETS = -1, CAPTURE_LINKS_DIFFER = -2 };
int capture_link(const struct capture *c);

/* What became of the packets so far, by enum capture_count; and how many there were. */
const uint64_t *capture_counts(const struct capture *c);
uint64_t capture_packets(const struct capture *c);
/* What is wrong with file i, as one line without its name; NULL: nothing. What it had is read. */
const char *capture_trouble(const struct capture *c, unsigned i);
/* Bytes read of all files, and how many they have; all is 0 where nobody knows. */
void capture_progress(const struct capture *c, uint64_t *done, uint64_t *all);
void capture_close(struct capture *take_c);

#endif
