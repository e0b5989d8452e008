/* SPDX-License-Identifier: BSD-3-Clause */
/* Between libmicrohttpd and the answers of balancer/admin/route; see http.h. */
#include "http.h"

#include <errno.h>

#include "lib/host/host.h"

#ifdef EK_HAVE_MICROHTTPD
#include <microhttpd.h>
#include <string.h>

#include "balancer/admin/route.h"

enum { IDLE_SECONDS = 10, MEMORY = 32768 };

static enum MHD_Result let_in(void *arg, const struct sockaddr *peer, socklen_t len)
{
	const struct admin *a = arg;
	struct sockaddr_storage ss = { 0 };

	if (len > sizeof(ss))
		return MHD_NO;
	memcpy(&ss, peer, len);
	struct ep ep = host_ep(&ss);
	a->hold(a->arg);
	const struct admin_web *web = &a->config->admin.web;
	bool in = web->on && prefix_any(web->acl.prefix, web->acl.n, &ep.ip);
	a->release(a->arg);
	return in ? MHD_YES : MHD_NO;
}

static void add_headers(struct MHD_Response *r, const struct admin_web *w,
                        const struct route_answer *answer)
{
	const char *name, *value;

	for (unsigned i = 0; route_header(w, i, &name, &value); i++)
		MHD_add_response_header(r, name, value);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	if (answer->status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
		                        "Basic realm=\"balancer\"");
	if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
}

/* An argument without a value ("?name") counts as an empty one. */
static const char *argument(struct MHD_Connection *c, const char *name)
{
	const char *value;
	size_t len;

	if (MHD_lookup_connection_value_n(c, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value,
	                                  &len) != MHD_YES)
		return NULL;
	return value != NULL ? value : "";
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *path,
                              const char *method, const char *version, const char *body,
                              size_t *body_n, void **state)
{
	static int headers_seen;
	const struct admin *a = arg;
	struct route_answer out;

	(void)version;
	(void)body;
	if (*state == NULL) { /* first with the headers, then again when all has come */
		*state = &headers_seen;
		return MHD_YES;
	}
	if (*body_n > 0) { /* nothing here takes a body */
		*body_n = 0;
		return MHD_YES;
	}
	const struct route_request r = {
		.method = method, .path = path,
		.authorization = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization"),
		.api_key = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "X-API-Key"),
		.command = argument(c, "command"), .name = argument(c, "name"),
	};
	a->hold(a->arg);
	route(a, &r, &out);
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(out.body), out.body, MHD_RESPMEM_MUST_FREE);
	MUST(response != NULL);
	add_headers(response, &a->config->admin.web, &out);
	a->release(a->arg);
	enum MHD_Result queued = MHD_queue_response(c, out.status, response);
	MHD_destroy_response(response);
	return queued;
}

bool http_available(void)
{
	return true;
}

int http_start(const struct admin *admin, int take_fd)
{
	struct MHD_Daemon *d = MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL, 0, let_in,
		(void *)(uintptr_t)admin, answer, (void *)(uintptr_t)admin,
		MHD_OPTION_LISTEN_SOCKET, take_fd,
		MHD_OPTION_CONNECTION_LIMIT, admin->config->admin.web.connections,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY, MHD_OPTION_END);

	return d != NULL ? 0 : -ENOMEM;
}

#else

bool http_available(void)
{
	return false;
}

int http_start(const struct admin *admin, int take_fd)
{
	(void)admin;
	(void)take_fd;
	return -ENOSYS;
}

#endif
