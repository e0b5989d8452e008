/* SPDX-License-Identifier: BSD-3-Clause */
/* A packet socket with its ring; see ring.h. */
#include "ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK = 65536, PER_BLOCK = BLOCK / RING_SLOT, SEND_BUFFER = 4 << 20,
       SLL_AT = (sizeof(struct tpacket2_hdr) + TPACKET_ALIGNMENT - 1) / TPACKET_ALIGNMENT *
                TPACKET_ALIGNMENT };

static int set(int fd, int name, int value)
{
	return setsockopt(fd, SOL_PACKET, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int make_ring(struct ring *r, unsigned slots)
{
	struct tpacket_req q = {
		.tp_block_size = BLOCK, .tp_block_nr = slots / PER_BLOCK,
		.tp_frame_size = RING_SLOT, .tp_frame_nr = slots,
	};
	int err = set(r->rx, PACKET_VERSION, TPACKET_V2);

	if (err == 0)
		err = set(r->rx, PACKET_IGNORE_OUTGOING, 1);
	if (err != 0)
		return err;
	if (setsockopt(r->rx, SOL_PACKET, PACKET_RX_RING, &q, sizeof(q)) < 0)
		return -errno;
	r->bytes = (size_t)slots * RING_SLOT;
	r->map = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->rx, 0);
	return r->map == MAP_FAILED ? -errno : 0;
}

int ring_open(struct ring *r, unsigned slots)
{
	struct sockaddr_ll all = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int err;

	MUST(slots % PER_BLOCK == 0);
	*r = (struct ring){ .slots = slots };
	r->rx = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	r->tx = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (r->rx < 0 || r->tx < 0)
		return -errno;
	err = make_ring(r, slots);
	if (err != 0)
		return err;
	/* As much as is allowed; what doesn't fit is seen as an error and counted. */
	(void)setsockopt(r->tx, SOL_SOCKET, SO_SNDBUF, &(int){ SEND_BUFFER }, sizeof(int));
	return bind(r->rx, (struct sockaddr *)&all, sizeof(all)) < 0 ? -errno : 0;
}

void ring_close(struct ring *r)
{
	munmap(r->map, r->bytes);
	close(r->rx);
	close(r->tx);
}

static struct tpacket2_hdr *header(const struct ring *r)
{
	return (struct tpacket2_hdr *)(void *)(r->map + (size_t)r->next * RING_SLOT);
}

bool ring_next(struct ring *r, struct ring_frame *f)
{
	struct tpacket2_hdr *h = header(r);
	const struct sockaddr_ll *from;

	if ((__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0)
		return false;
	from = (const void *)((const uint8_t *)h + SLL_AT);
	*f = (struct ring_frame){
		.data = (const uint8_t *)h + h->tp_mac,
		.len = h->tp_snaplen,
		.orig_len = h->tp_len,
		.real_ns = (int64_t)h->tp_sec * 1000000000 + h->tp_nsec,
		.ifindex = (unsigned)from->sll_ifindex,
	};
	return true;
}

void ring_done(struct ring *r)
{
	__atomic_store_n(&header(r)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	r->next = r->next + 1 < r->slots ? r->next + 1 : 0;
}

uint64_t ring_drops(struct ring *r)
{
	struct tpacket_stats s = { 0 };
	socklen_t len = sizeof(s);

	if (getsockopt(r->rx, SOL_PACKET, PACKET_STATISTICS, &s, &len) < 0)
		return 0;
	return s.tp_drops;
}

unsigned ring_send(struct ring *r, struct ring_out *out, unsigned n)
{
	struct mmsghdr m[RING_BATCH];
	struct iovec iov[RING_BATCH];
	struct sockaddr_ll to[RING_BATCH];
	unsigned failed = 0;

	MUST(n <= RING_BATCH);
	memset(m, 0, n * sizeof(m[0]));
	memset(to, 0, n * sizeof(to[0]));
	for (unsigned i = 0; i < n; i++) {
		to[i].sll_family = AF_PACKET;
		to[i].sll_ifindex = (int)out[i].ifindex;
		to[i].sll_protocol = (uint16_t)(out[i].data[12] | out[i].data[13] << 8);
		iov[i] = (struct iovec){ out[i].data, out[i].len };
		m[i].msg_hdr.msg_name = &to[i];
		m[i].msg_hdr.msg_namelen = sizeof(to[i]);
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
		out[i].failed = false;
	}
	for (unsigned at = 0; at < n;) {
		int sent = sendmmsg(r->tx, m + at, n - at, 0);
		if (sent > 0) {
			at += (unsigned)sent;
		} else if (errno != EINTR) {
			out[at++].failed = true;
			failed++;
		}
	}
	return failed;
}
