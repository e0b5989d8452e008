/* SPDX-License-Identifier: BSD-3-Clause */
/* Namespaces, veths, addresses, routes and counters; see layout.h. */
#include "layout.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/host/host.h"

enum { LO = 1, ETH0 = 2, WIRE_FIRST = 16, SNMP_MAX = 65536 };

#define UP_NS INT64_C(1000000000) /* longest wait for an interface to carry frames */

unsigned layout_ifindex(unsigned node)
{
	return WIRE_FIRST + node;
}

int layout_node(unsigned ifindex)
{
	return ifindex >= WIRE_FIRST ? (int)(ifindex - WIRE_FIRST) : PLAN_NONE;
}

static void set_mac(uint8_t mac[LAYOUT_MAC], uint8_t first, unsigned node)
{
	memcpy(mac, (uint8_t[]){ first, 0xe4, 0, 0, (uint8_t)((node + 1) >> 8),
	                         (uint8_t)(node + 1) }, LAYOUT_MAC);
}

void layout_mac(unsigned node, uint8_t mac[LAYOUT_MAC])
{
	set_mac(mac, 0x02, node);
}

/* eth0 here, its peer in the namespace wire_fd. */
static void add_veth(struct nl *nl, unsigned node, int wire_fd)
{
	struct ifinfomsg m = { .ifi_index = ETH0, .ifi_flags = IFF_NOARP,
	                       .ifi_change = IFF_NOARP | IFF_MULTICAST };
	struct ifinfomsg peer = m;
	uint8_t mac[LAYOUT_MAC];
	char name[IFNAMSIZ];

	peer.ifi_index = (int)layout_ifindex(node);
	nl_begin(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	nl_text(nl, IFLA_IFNAME, "eth0");
	layout_mac(node, mac);
	nl_attr(nl, IFLA_ADDRESS, mac, sizeof(mac));
	nl_nest(nl, IFLA_LINKINFO, NULL, 0);
	nl_text(nl, IFLA_INFO_KIND, "veth");
	nl_nest(nl, IFLA_INFO_DATA, NULL, 0);
	nl_nest(nl, VETH_INFO_PEER, &peer, sizeof(peer));
	snprintf(name, sizeof(name), "w%u", node);
	nl_text(nl, IFLA_IFNAME, name);
	set_mac(mac, 0x06, node);
	nl_attr(nl, IFLA_ADDRESS, mac, sizeof(mac));
	nl_u32(nl, IFLA_NET_NS_FD, (uint32_t)wire_fd);
	nl_unnest(nl);
	nl_unnest(nl);
	nl_unnest(nl);
}

/* No link-local address, so that the kernel sends nothing of its own. */
static void no_addr_gen(struct nl *nl, unsigned ifindex)
{
	struct ifinfomsg m = { .ifi_index = (int)ifindex };

	nl_begin(nl, RTM_SETLINK, 0, &m, sizeof(m));
	nl_nest(nl, IFLA_AF_SPEC, NULL, 0);
	nl_nest(nl, AF_INET6, NULL, 0);
	nl_attr(nl, IFLA_INET6_ADDR_GEN_MODE, &(uint8_t){ IN6_ADDR_GEN_MODE_NONE }, 1);
	nl_unnest(nl);
	nl_unnest(nl);
}

static void link_up(struct nl *nl, unsigned ifindex)
{
	struct ifinfomsg m = { .ifi_index = (int)ifindex, .ifi_flags = IFF_UP,
	                       .ifi_change = IFF_UP };

	nl_begin(nl, RTM_SETLINK, 0, &m, sizeof(m));
}

/* The bytes of ip as its family has them. */
static const uint8_t *ip_bytes(const struct ip *ip, uint8_t *family, size_t *len)
{
	bool four = ip_is4(ip);

	*family = four ? AF_INET : AF_INET6;
	*len = four ? 4 : 16;
	return four ? ip->b + 12 : ip->b;
}

static void add_addr(struct nl *nl, const struct ip *ip)
{
	struct ifaddrmsg m = { .ifa_index = ETH0, .ifa_flags = IFA_F_NODAD };
	size_t len;
	const uint8_t *b = ip_bytes(ip, &m.ifa_family, &len);

	m.ifa_prefixlen = (uint8_t)(8 * len);
	nl_begin(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	nl_attr(nl, IFA_LOCAL, b, len);
	nl_attr(nl, IFA_ADDRESS, b, len);
}

static void add_default_route(struct nl *nl, uint8_t family)
{
	struct rtmsg m = { .rtm_family = family, .rtm_table = RT_TABLE_MAIN,
	                   .rtm_protocol = RTPROT_STATIC, .rtm_type = RTN_UNICAST,
	                   .rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE };

	nl_begin(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	nl_u32(nl, RTA_OIF, ETH0);
}

/* Every address of p is this node's own (ip-route(8), type local). */
static void add_net(struct nl *nl, const struct prefix *p)
{
	struct rtmsg m = { .rtm_table = RT_TABLE_LOCAL, .rtm_protocol = RTPROT_STATIC,
	                   .rtm_type = RTN_LOCAL, .rtm_scope = RT_SCOPE_HOST };
	size_t len;
	const uint8_t *b = ip_bytes(&p->ip, &m.rtm_family, &len);

	m.rtm_dst_len = (uint8_t)(m.rtm_family == AF_INET ? p->bits - 96 : p->bits);
	if (m.rtm_family == AF_INET6)
		m.rtm_scope = RT_SCOPE_UNIVERSE;
	nl_begin(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	nl_attr(nl, RTA_DST, b, len);
	nl_u32(nl, RTA_OIF, LO);
}

/* Checksums are made by the kernel, segments are what goes out: a capture shows what is true. */
static int offloads_off(void)
{
	static const uint32_t what[] = { ETHTOOL_STXCSUM, ETHTOOL_SGSO };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	for (size_t i = 0; fd >= 0 && err == 0 && i < COUNT_OF(what); i++) {
		struct ethtool_value v = { .cmd = what[i], .data = 0 };
		struct ifreq r = { .ifr_name = "eth0" };
		r.ifr_data = (char *)&v;
		err = ioctl(fd, SIOCETHTOOL, &r) < 0 ? -errno : 0;
	}
	if (fd < 0)
		return -errno;
	close(fd);
	return err;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/*
 * An IPv6 source out of a node's net has to be allowed: IPv4's local routes are enough for that,
 * IPv6's aren't.
 */
static int allow_net_sources(const struct plan_node *node)
{
	for (unsigned i = 0; i < node->net_n; i++)
		if (!ip_is4(&node->net[i].ip))
			return write_text("/proc/sys/net/ipv6/ip_nonlocal_bind", "1");
	return 0;
}

/* In the node's namespace. */
static int furnish(struct nl *nl, const struct plan_node *node, unsigned i, int wire_fd,
                   const char **step)
{
	int err;

	*step = "make a veth pair";
	add_veth(nl, i, wire_fd);
	err = nl_flush(nl);
	if (err != 0)
		return err;
	*step = "switch a veth's offloads off";
	err = offloads_off();
	if (err != 0)
		return err;
	*step = "set addresses and routes";
	link_up(nl, LO);
	no_addr_gen(nl, ETH0);
	link_up(nl, ETH0);
	for (unsigned k = 0; k < node->addr_n; k++)
		add_addr(nl, &node->addr[k]);
	add_default_route(nl, AF_INET);
	add_default_route(nl, AF_INET6);
	for (unsigned k = 0; k < node->net_n; k++)
		add_net(nl, &node->net[k]);
	err = nl_flush(nl);
	if (err != 0)
		return err;
	*step = "let IPv6 clients use their net's addresses";
	return allow_net_sources(node);
}

static int add_node(struct layout *l, const struct plan_node *node, unsigned i, const char **step)
{
	int err;

	*step = "make a network namespace";
	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	l->netns_fd[i] = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (l->netns_fd[i] < 0)
		return -errno;
	*step = "open a netlink socket";
	err = nl_open(&l->nl);
	if (err != 0)
		return err;
	l->nl_fd[i] = l->nl.fd;
	return furnish(&l->nl, node, i, l->wire_fd, step);
}

/* The netlink socket in a node's namespace. */
static struct nl *node_nl(struct layout *l, unsigned i)
{
	l->nl.fd = l->nl_fd[i];
	return &l->nl;
}

/* Waits until interface i carries frames. */
static int wait_up(struct nl *nl, unsigned ifindex)
{
	int64_t until_ns = host_mono_ns() + UP_NS;
	int err = nl_link_up(nl, ifindex);

	while (err == -EAGAIN && host_mono_ns() < until_ns) {
		(void)poll(NULL, 0, 1);
		err = nl_link_up(nl, ifindex);
	}
	return err;
}

/* The other ends, in the wire's namespace. Both ends have to carry frames before one is sent. */
static int wire_up(struct layout *l)
{
	int err = 0;

	for (unsigned i = 0; i < l->n && err == 0; i++) {
		no_addr_gen(&l->wire_nl, layout_ifindex(i));
		link_up(&l->wire_nl, layout_ifindex(i));
		if (nl_crowded(&l->wire_nl) || i + 1 == l->n)
			err = nl_flush(&l->wire_nl);
	}
	for (unsigned i = 0; i < l->n && err == 0; i++)
		err = wait_up(&l->wire_nl, layout_ifindex(i));
	for (unsigned i = 0; i < l->n && err == 0; i++)
		err = wait_up(node_nl(l, i), ETH0);
	return err;
}

int layout_make(struct layout *l, const struct plan *p, const char **step)
{
	int err = 0, back;

	l->n = p->node_n;
	l->netns_fd = calloc(p->node_n, sizeof(*l->netns_fd));
	l->nl_fd = calloc(p->node_n, sizeof(*l->nl_fd));
	MUST(l->netns_fd != NULL && l->nl_fd != NULL);
	*step = "open the wire's namespace";
	l->wire_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (l->wire_fd < 0)
		return -errno;
	err = nl_open(&l->wire_nl);
	for (unsigned i = 0; i < l->n && err == 0; i++)
		err = add_node(l, &p->node[i], i, step);
	back = layout_leave(l);
	if (err != 0 || back != 0)
		return err != 0 ? err : back;
	*step = "bring the veths up";
	return wire_up(l);
}

int layout_enter(const struct layout *l, unsigned node)
{
	return setns(l->netns_fd[node], CLONE_NEWNET) < 0 ? -errno : 0;
}

int layout_leave(const struct layout *l)
{
	return setns(l->wire_fd, CLONE_NEWNET) < 0 ? -errno : 0;
}

/* The column RcvbufErrors of the lines "Udp: NAME..." and "Udp: NUMBER...". */
static uint64_t udp4_rcvbuf_errors(char *text)
{
	char *names = strstr(text, "\nUdp: "), *values, *n, *v, *save_n, *save_v;

	values = names != NULL ? strstr(names + 1, "\nUdp: ") : NULL;
	if (values == NULL)
		return 0;
	*values++ = '\0';
	values[strcspn(values, "\n")] = '\0';
	n = strtok_r(names, " \n", &save_n);
	v = strtok_r(values, " \n", &save_v);
	for (; n != NULL && v != NULL; n = strtok_r(NULL, " \n", &save_n)) {
		if (strcmp(n, "RcvbufErrors") == 0)
			return strtoull(v, NULL, 10);
		v = strtok_r(NULL, " \n", &save_v);
	}
	return 0;
}

static uint64_t udp6_rcvbuf_errors(const char *text)
{
	const char *at = strstr(text, "Udp6RcvbufErrors");

	return at != NULL ? strtoull(at + strlen("Udp6RcvbufErrors"), NULL, 10) : 0;
}

static int read_snmp(struct layout_counters *out)
{
	char *text;
	size_t len;
	int err = host_read_file("/proc/thread-self/net/snmp", SNMP_MAX, &text, &len);

	if (err != 0)
		return err;
	out->udp_rcvbuf_errors = udp4_rcvbuf_errors(text);
	free(text);
	if (host_read_file("/proc/thread-self/net/snmp6", SNMP_MAX, &text, &len) == 0) {
		out->udp_rcvbuf_errors += udp6_rcvbuf_errors(text);
		free(text);
	}
	return 0;
}

int layout_counters(struct layout *l, unsigned node, struct layout_counters *out)
{
	struct nl_stats in, wire;
	int err = nl_link_stats(&l->wire_nl, layout_ifindex(node), &wire), back;

	memset(out, 0, sizeof(*out));
	if (err == 0)
		err = nl_link_stats(node_nl(l, node), ETH0, &in);
	if (err == 0)
		err = layout_enter(l, node);
	if (err != 0)
		return err;
	err = read_snmp(out);
	back = layout_leave(l);
	if (err != 0)
		return err;
	out->sent = in.tx;
	out->received = in.rx;
	out->drops = in.rx_dropped + in.tx_dropped + wire.rx_dropped + wire.tx_dropped;
	return back;
}
