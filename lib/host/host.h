/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every shell needs of the operating system and no core may touch: clocks, seeds, lazily
 * mapped arenas, sd_notify, files read whole, and endpoints to and from sockaddr. The assert hook
 * of lib/must.h is defined here too.
 */
#ifndef EK_HOST_H
#define EK_HOST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/addr.h"
#include "lib/arena.h"
#include "lib/must.h"

/* CLOCK_MONOTONIC and CLOCK_REALTIME in ns. */
int64_t host_mono_ns(void);
int64_t host_real_ns(void);

/*
 * CLOCK_REALTIME - CLOCK_MONOTONIC, good to well below a microsecond: both are read in turn several
 * times, and the pair that took least counts, so that an interruption doesn't matter.
 */
int64_t host_real_offset_ns(void);

/* 32 bytes from getrandom. Ends the program if the kernel has none. */
void host_seed(uint8_t seed[32]);

/*
 * Maps cap bytes that take memory only where they are touched, and makes an arena of them. Returns
 * 0 or -errno. host_arena_free unmaps; what was taken from the arena is gone with it.
 */
int host_arena(struct arena *a, size_t cap) MUST_CHECK;
void host_arena_free(struct arena *a);

/* Makes memory of an arena zero again, so that it takes none until it is touched. */
void host_give_back(void *memory, size_t len);

/*
 * Tells the supervisor in $NOTIFY_SOCKET (sd_notify(3)), path or abstract. state: "READY=1",
 * "STOPPING=1"... Returns 0, also when there is no supervisor, or -errno.
 */
int host_notify(const char *state);

/*
 * Reads a file whole, with a NUL after it, which *len doesn't count. Returns 0 and a buffer that
 * the caller frees, -EFBIG above max bytes, or -errno.
 */
int host_read_file(const char *path, size_t max, char **out, size_t *len) MUST_CHECK;

/* ep as an AF_INET address when it is IPv4, else AF_INET6. Returns the sockaddr's length. */
socklen_t host_sockaddr(const struct ep *ep, struct sockaddr_storage *ss);
/* The same as AF_INET6 always, IPv4 mapped, for dual-stack sockets. */
socklen_t host_sockaddr6(const struct ep *ep, struct sockaddr_storage *ss);
/* The endpoint of an AF_INET or AF_INET6 address. */
struct ep host_ep(const struct sockaddr_storage *ss);

#endif
