/* SPDX-License-Identifier: BSD-3-Clause */
/* Batched rtnetlink; see nl.h. */
#include "nl.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NL_LINK = 16384 };

int nl_open(struct nl *nl)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };

	nl->n = 0;
	nl->len = 0;
	nl->seq = 1;
	nl->nest_n = 0;
	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (nl->fd < 0)
		return -errno;
	if (bind(nl->fd, (struct sockaddr *)&any, sizeof(any)) < 0) {
		int err = -errno;
		close(nl->fd);
		return err;
	}
	return 0;
}

void nl_close(struct nl *nl)
{
	close(nl->fd);
	nl->fd = -1;
}

static void put(struct nl *nl, const void *data, size_t len)
{
	size_t room = NLMSG_ALIGN(len);

	MUST(nl->len + room <= NL_BYTES);
	memset(nl->buf + nl->len, 0, room);
	if (len > 0)
		memcpy(nl->buf + nl->len, data, len);
	nl->len += room;
}

static void set_len(struct nl *nl)
{
	uint32_t len = (uint32_t)(nl->len - nl->head);

	memcpy(nl->buf + nl->head, &len, sizeof(len));
}

void nl_begin(struct nl *nl, uint16_t type, uint16_t flags, const void *head, size_t len)
{
	struct nlmsghdr h = {
		.nlmsg_type = type,
		.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags),
		.nlmsg_seq = nl->seq++,
	};

	nl->head = nl->len;
	nl->n++;
	put(nl, &h, sizeof(h));
	put(nl, head, len);
	set_len(nl);
}

void nl_attr(struct nl *nl, uint16_t type, const void *data, size_t len)
{
	struct rtattr a = { .rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(len) };

	put(nl, &a, sizeof(a));
	put(nl, data, len);
	set_len(nl);
}

void nl_u32(struct nl *nl, uint16_t type, uint32_t v)
{
	nl_attr(nl, type, &v, sizeof(v));
}

void nl_text(struct nl *nl, uint16_t type, const char *text)
{
	nl_attr(nl, type, text, strlen(text) + 1);
}

void nl_nest(struct nl *nl, uint16_t type, const void *head, size_t len)
{
	MUST(nl->nest_n < NL_NESTS);
	nl->nest[nl->nest_n++] = nl->len;
	nl_attr(nl, type, head, len);
}

void nl_unnest(struct nl *nl)
{
	size_t at = nl->nest[--nl->nest_n];
	uint16_t len = (uint16_t)(nl->len - at);

	memcpy(nl->buf + at, &len, sizeof(len));
}

int nl_crowded(const struct nl *nl)
{
	return nl->n >= NL_BATCH || nl->len > NL_BYTES - 1024;
}

/* Reads acknowledgements from one datagram: how many, and the first error. */
static unsigned count_acks(const uint8_t *buf, size_t len, int *err)
{
	unsigned acks = 0;

	while (len >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr h;
		struct nlmsgerr e;
		memcpy(&h, buf, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > len)
			break;
		if (h.nlmsg_type == NLMSG_ERROR && h.nlmsg_len >= sizeof(h) + sizeof(e.error)) {
			memcpy(&e.error, buf + sizeof(h), sizeof(e.error));
			*err = *err == 0 ? e.error : *err;
			acks++;
		}
		size_t step = NLMSG_ALIGN(h.nlmsg_len);
		step = step < len ? step : len;
		buf += step;
		len -= step;
	}
	return acks;
}

int nl_flush(struct nl *nl)
{
	uint8_t in[NL_BYTES];
	unsigned want = nl->n;
	int err = 0;

	if (want > 0 && send(nl->fd, nl->buf, nl->len, 0) != (ssize_t)nl->len)
		err = -errno;
	nl->n = 0;
	nl->len = 0;
	if (err != 0)
		return err;
	while (want > 0) {
		ssize_t got = recv(nl->fd, in, sizeof(in), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		unsigned acks = count_acks(in, (size_t)got, &err);
		want -= acks < want ? acks : want;
	}
	return err;
}

/* The attribute in p[0..len), at least min bytes of it, or NULL. */
static const uint8_t *find_attr(const uint8_t *p, size_t len, uint16_t type, size_t min)
{
	while (len >= sizeof(struct rtattr)) {
		struct rtattr a;
		memcpy(&a, p, sizeof(a));
		if (a.rta_len < sizeof(a) || a.rta_len > len)
			break;
		if (a.rta_type == type && a.rta_len >= RTA_LENGTH(min))
			return p + RTA_LENGTH(0);
		size_t step = RTA_ALIGN(a.rta_len);
		step = step < len ? step : len;
		p += step;
		len -= step;
	}
	return NULL;
}

/* Asks about one interface. Returns the length of its attributes, which begin at *attrs. */
static ssize_t get_link(struct nl *nl, unsigned ifindex, uint8_t in[NL_LINK], const uint8_t **attrs)
{
	struct ifinfomsg m = { .ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex };
	size_t head = NLMSG_LENGTH(NLMSG_ALIGN(sizeof(m)));
	struct nlmsghdr h;
	ssize_t got;

	nl_begin(nl, RTM_GETLINK, 0, &m, sizeof(m));
	if (send(nl->fd, nl->buf, nl->len, 0) != (ssize_t)nl->len)
		return -errno;
	nl->n = 0;
	nl->len = 0;
	got = recv(nl->fd, in, NL_LINK, 0);
	if (got < (ssize_t)sizeof(h))
		return got < 0 ? -errno : -EBADMSG;
	memcpy(&h, in, sizeof(h));
	if (h.nlmsg_type != RTM_NEWLINK || h.nlmsg_len > (size_t)got || h.nlmsg_len < head)
		return -EBADMSG;
	*attrs = in + head;
	if (count_acks(in, (size_t)got, &(int){ 0 }) == 0) {
		uint8_t ack[NL_BYTES];
		(void)!recv(nl->fd, ack, sizeof(ack), 0);
	}
	return (ssize_t)(h.nlmsg_len - head);
}

int nl_link_stats(struct nl *nl, unsigned ifindex, struct nl_stats *out)
{
	uint8_t in[NL_LINK];
	const uint8_t *attrs, *at = NULL;
	ssize_t len = get_link(nl, ifindex, in, &attrs);
	struct rtnl_link_stats64 s;

	if (len < 0)
		return (int)len;
	/* The kernel's may be longer than ours; the first fields are what we want. */
	at = find_attr(attrs, (size_t)len, IFLA_STATS64, 8 * sizeof(uint64_t));
	if (at == NULL)
		return -ENOENT;
	memcpy(&s, at, 8 * sizeof(uint64_t));
	*out = (struct nl_stats){ s.rx_packets, s.tx_packets, s.rx_dropped, s.tx_dropped };
	return 0;
}

int nl_link_up(struct nl *nl, unsigned ifindex)
{
	uint8_t in[NL_LINK];
	const uint8_t *attrs, *at = NULL;
	ssize_t len = get_link(nl, ifindex, in, &attrs);

	if (len < 0)
		return (int)len;
	at = find_attr(attrs, (size_t)len, IFLA_OPERSTATE, 1);
	return at != NULL && *at == IF_OPER_UP ? 0 : -EAGAIN;
}
