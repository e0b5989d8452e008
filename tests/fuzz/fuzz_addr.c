/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses, endpoints and prefixes from any text; what is read is written and read back. */
#include <arpa/inet.h>
#include <string.h>

#include "lib/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the C library makes of the text, IPv4 mapped; false when it refuses. */
static bool reference(struct ip *ip, const char *text)
{
	if (inet_pton(AF_INET6, text, ip->b) == 1)
		return true;
	*ip = ip_v4(0, 0, 0, 0);
	return inet_pton(AF_INET, text, ip->b + 12) == 1;
}

static void check_ip(const char *text)
{
	struct ip ip, want, again;
	char out[IP_TEXT], theirs[INET6_ADDRSTRLEN];
	bool good = ip_parse(&ip, text) == 0, ref = reference(&want, text);

	MUST(good == ref);
	if (!good)
		return;
	MUST(ip_eq(&ip, &want));
	MUST(ip_format(&ip, out) == strlen(out) && strlen(out) < IP_TEXT);
	MUST(ip_parse(&again, out) == 0 && ip_eq(&ip, &again));
	bool compatible = false; /* the C library writes ::1.2.3.4, which RFC 5952 leaves open */
	for (int i = 0; i < 12; i++)
		compatible = compatible || ip.b[i] != 0;
	if (ip_is4(&ip))
		inet_ntop(AF_INET, ip.b + 12, theirs, sizeof(theirs));
	else
		inet_ntop(AF_INET6, ip.b, theirs, sizeof(theirs));
	MUST(!compatible || strcmp(out, theirs) == 0);
}

static void check_ep(const char *text)
{
	struct ep ep, again;
	char out[EP_TEXT];

	if (ep_parse(&ep, text, 53) < 0)
		return;
	MUST(ep.port >= 1);
	MUST(ep_format(&ep, out) == strlen(out) && strlen(out) < EP_TEXT);
	MUST(ep_parse(&again, out, 1) == 0 && ep_eq(&ep, &again));
}

static void check_prefix(const char *text)
{
	struct prefix p, again;
	char out[PREFIX_TEXT];

	if (prefix_parse(&p, text) < 0)
		return;
	MUST(p.bits <= 128 && prefix_has(&p, &p.ip) && prefix_any(&p, 1, &p.ip));
	MUST(prefix_format(&p, out) == strlen(out) && strlen(out) < PREFIX_TEXT);
	MUST(prefix_parse(&again, out) == 0 && again.bits == p.bits && ip_eq(&again.ip, &p.ip));
	if (p.bits > 0) {
		struct ip other = p.ip;
		other.b[(p.bits - 1) / 8] ^= (uint8_t)(0x80u >> ((p.bits - 1) % 8));
		MUST(!prefix_has(&p, &other));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[128];

	if (size >= sizeof(text) || memchr(data, 0, size) != NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_ip(text);
	check_ep(text);
	check_prefix(text);
	return 0;
}
