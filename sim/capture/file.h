/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A capture file's packets, one after the other: pcap or pcapng, plain or gzip, from a path, from
 * standard input or from an open stream. Reads ahead by a fixed amount and copies nothing; memory
 * is taken at opening and doesn't grow.
 */
#ifndef EK_CAPTURE_FILE_H
#define EK_CAPTURE_FILE_H

#include <stdio.h>

#include "sim/capture/core/format.h"

struct capture_file;

enum { CAPTURE_ERROR_TEXT = 512 };

/*
 * Opens path ("-": standard input). Returns 0; or, with one line in error that begins with the
 * path, -errno when it can't be opened or read, -EBADMSG when it isn't a capture.
 */
int capture_file_open(struct capture_file **out, const char *path, char error[CAPTURE_ERROR_TEXT])
	MUST_CHECK;
/*
 * The same from a stream, which is closed with the file or on failure. name: what errors call it.
 */
int capture_file_from(struct capture_file **out, FILE *take_stream, const char *name,
                      char error[CAPTURE_ERROR_TEXT]) MUST_CHECK;
/*
 * The next packet, its bytes borrowed until the next call. 1; 0 at the end; -EBADMSG or -errno when
 * the rest can't be read, then capture_file_trouble says why. Packets whose fault is set are given
 * too.
 */
int capture_file_next(struct capture_file *f, struct capture_packet *out) MUST_CHECK;
/* What is wrong with the file, as one line without its name; NULL: nothing so far. */
const char *capture_file_trouble(const struct capture_file *f);
/* Bytes of the file read so far, and how many it has; all is 0 where nobody knows. */
void capture_file_progress(const struct capture_file *f, uint64_t *done, uint64_t *all);
const struct format *capture_file_format(const struct capture_file *f);
void capture_file_close(struct capture_file *take_f);

#endif
