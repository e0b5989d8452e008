/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the IP packet begins under each link layer, with tags and without, and cut off anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/must.h"
#include "sim/capture/core/layer.h"

#define MAC "\1\2\3\4\5\6\7\x8\x9\xa\xb\xc"
#define SLL "\0\0\0\1\0\6\1\2\3\4\5\6\0\0"
#define SLL2 "\0\0\0\0\0\3\0\1\0\6\1\2\3\4\5\6\0\0"
#define ROW(link, head, skip) link, head, sizeof(head) - 1, skip

static const struct {
	const char *what;
	uint16_t link;
	const char *head;   /* what there is before the packet */
	size_t len;
	int skip;           /* where it begins, or minus the cause */
} row[] = {
	{ "IPv4 in Ethernet", ROW(LINK_ETHERNET, MAC "\x08\0", 14) },
	{ "IPv6 in Ethernet", ROW(LINK_ETHERNET, MAC "\x86\xdd", 14) },
	{ "a VLAN tag", ROW(LINK_ETHERNET, MAC "\x81\0\0\x7\x08\0", 18) },
	{ "a provider's tag", ROW(LINK_ETHERNET, MAC "\x88\xa8\0\x7\x08\0", 18) },
	{ "QinQ", ROW(LINK_ETHERNET, MAC "\x88\xa8\0\x7\x81\0\0\x9\x86\xdd", 22) },
	{ "old QinQ", ROW(LINK_ETHERNET, MAC "\x91\0\0\x7\x92\0\0\x9\x81\0\0\x9\x08\0", 26) },
	{ "ARP", ROW(LINK_ETHERNET, MAC "\x08\6", -CAPTURE_NOT_IP) },
	{ "ARP behind a tag", ROW(LINK_ETHERNET, MAC "\x81\0\0\7\x08\6", -CAPTURE_NOT_IP) },
	{ "LLC", ROW(LINK_ETHERNET, MAC "\0\x26", -CAPTURE_NOT_IP) },
	{ "cooked", ROW(LINK_SLL, SLL "\x08\0", 16) },
	{ "cooked, IPv6", ROW(LINK_SLL, SLL "\x86\xdd", 16) },
	{ "cooked, a VLAN tag", ROW(LINK_SLL, SLL "\x81\0\0\7\x86\xdd", 20) },
	{ "cooked, ARP", ROW(LINK_SLL, SLL "\x08\6", -CAPTURE_NOT_IP) },
	{ "cooked v2", ROW(LINK_SLL2, "\x08\0" SLL2, 20) },
	{ "cooked v2, IPv6", ROW(LINK_SLL2, "\x86\xdd" SLL2, 20) },
	{ "loopback of a big machine", ROW(LINK_NULL, "\0\0\0\2", 4) },
	{ "loopback of a small machine", ROW(LINK_NULL, "\2\0\0\0", 4) },
	{ "loopback, FreeBSD's IPv6", ROW(LINK_NULL, "\x1c\0\0\0", 4) },
	{ "loopback, macOS's IPv6", ROW(LINK_NULL, "\x1e\0\0\0", 4) },
	{ "OpenBSD's loopback", ROW(LINK_LOOP, "\0\0\0\x18", 4) },
	{ "loopback, another family", ROW(LINK_NULL, "\0\0\0\7", -CAPTURE_NOT_IP) },
	{ "raw", ROW(LINK_RAW, "", 0) },
	{ "raw, as BSD files have it", ROW(LINK_RAW_BSD, "", 0) },
	{ "IPv4 alone", ROW(LINK_IPV4, "", 0) },
	{ "IPv6 alone", ROW(LINK_IPV6, "", 0) },
	{ "802.11", ROW(105, "", -CAPTURE_LINK_TYPE) },
};

static void the_packet_begins_behind_its_link_layer(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++)
		for (size_t n = 0; n <= row[i].len; n++) {
			uint8_t *p = malloc(n > 0 ? n : 1); /* exactly, for sanitizers */
			assert_non_null(p);
			if (n > 0)
				memcpy(p, row[i].head, n);
			int skip = layer_skip(row[i].link, p, n);
			free(p);
			if (skip != (n == row[i].len ? row[i].skip : -CAPTURE_LINK) &&
			    !(n >= 14 && skip == -CAPTURE_NOT_IP))
				fail_msg("%s, %zu bytes: %d", row[i].what, n, skip);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_packet_begins_behind_its_link_layer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
