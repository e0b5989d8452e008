/* SPDX-License-Identifier: BSD-3-Clause */
/* The two options' values taken apart; see backend.h. */
#include "backend.h"

#include <errno.h>
#include <string.h>

/* Room for an address with brackets and port, and more than any has. */
enum { ADDR_MAX = 128 };

static bool name_char(char c)
{
	return c > ' ' && c < 127 && c != '=' && c != ',' && c != '/';
}

/* The name before '=' and what follows that; NULL: it isn't one. */
static const char *take_name(char out[BACKEND_NAME_TEXT], const char *text)
{
	size_t n = 0;

	while (name_char(text[n]))
		n++;
	if (n == 0 || n >= BACKEND_NAME_TEXT || text[n] != '=')
		return NULL;
	memcpy(out, text, n);
	out[n] = '\0';
	return text + n + 1;
}

/* Digits, 1...INT32_MAX; 0: they aren't. */
static int32_t weight_of(const char *text)
{
	int64_t w = 0;

	if (*text == '\0')
		return 0;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return 0;
		w = w * 10 + (*text - '0');
#ifndef EK_PLANT /* what make fuzz must find: a weight that wraps around */
		if (w > INT32_MAX)
			return 0;
#endif
	}
	return (int32_t)w;
}

int backend_parse(struct backend *b, const char *text, const char **expected)
{
	char addr[ADDR_MAX];
	struct backend out = { .weight = 1 };
	const char *at = take_name(out.name, text);

	*expected = "NAME=ADDR[,WEIGHT], the name without '=', ',', '/' and blanks";
	if (at == NULL)
		return -EINVAL;
	const char *comma = strchr(at, ',');
	size_t n = comma != NULL ? (size_t)(comma - at) : strlen(at);
	*expected = "an address behind NAME=, such as 192.0.2.3, 192.0.2.3:5300, 2001:db8::3 or "
	            "[2001:db8::3]:5300";
	if (n >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, at, n);
	addr[n] = '\0';
	if (ep_parse(&out.addr, addr, BACKEND_PORT) < 0 || out.addr.port == 0)
		return -EINVAL;
	*expected = "a weight 1...2147483647 behind the comma";
	if (comma != NULL && (out.weight = weight_of(comma + 1)) < 1)
		return -EINVAL;
	*b = out;
	return 0;
}

int balancer_parse(struct balancer_name *b, const char *text, const char **expected)
{
	struct balancer_name out;
	const char *at = strchr(text, '=') != NULL ? take_name(out.name, text) : text;

	*expected = "[NAME=]ADDR, an address without a port, the name without '=', ',', '/' and "
	            "blanks";
	if (at == NULL || ip_parse(&out.ip, at) < 0)
		return -EINVAL;
	if (at == text)
		ip_format(&out.ip, out.name);
	*b = out;
	return 0;
}
