/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What rec_control and a PowerDNS Recursor (4.5 and later) say to each other over a Unix stream
 * socket: a 32-bit status and a 64-bit length in the machine's own byte order, then the text. A
 * command has status 0; an answer's status becomes rec_control's exit status. One command a
 * connection.
 */
#ifndef EK_HOST_REC_CONTROL_H
#define EK_HOST_REC_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/must.h"

enum { REC_CONTROL_MAX = 1 << 20 };

/*
 * Reads one message from a connected socket. Returns 0 and a NUL-terminated text that the caller
 * frees, or -errno: -EBADMSG when it is cut off, -EFBIG when it is above REC_CONTROL_MAX,
 * -EAGAIN when the socket's own timeout ends first.
 */
int rec_control_recv(int fd, int32_t *status, char **text) MUST_CHECK;
int rec_control_send(int fd, int32_t status, const char *text) MUST_CHECK;

/*
 * Sends a command to the recursor, ours or PowerDNS's, whose control socket is path, and waits for
 * its answer for timeout_ms. Returns 0 with *status and *text (the caller frees it), or -errno.
 */
int rec_control_ask(const char *path, const char *command, unsigned timeout_ms, int32_t *status,
                    char **text) MUST_CHECK;

#endif
