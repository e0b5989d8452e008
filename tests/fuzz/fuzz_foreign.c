/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Foreign captures. A first byte with the high bit set: text as what --backend and --balancer
 * take; what is read is written and read back. Otherwise messages between any of six others and
 * two servers, at any times, as a capture that is judged by a policy that the byte chooses: each
 * query comes to exactly one end. The input then is records of eight bytes (time, who, what,
 * length) and a message. The bug that EK_PLANT plants lets a weight wrap around.
 */
#include <string.h>
#include <unistd.h>

#include "tests/foreign_make.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 8, QUERY_MAX = 200 };

/* ---- options ---- */

static void must_read_back(const struct backend *b)
{
	char text[BACKEND_NAME_TEXT + EP_TEXT + 16], addr[EP_TEXT];
	const char *expected;
	struct backend again;

	ep_format(&b->addr, addr);
	snprintf(text, sizeof(text), "%s=%s,%d", b->name, addr, b->weight);
	MUST(backend_parse(&again, text, &expected) == 0 && again.weight == b->weight);
	MUST(ep_eq(&again.addr, &b->addr) && strcmp(again.name, b->name) == 0);
}

/* The digits behind the last comma, without zeros before them. */
static void must_be_weight(const char *text, int32_t weight)
{
	const char *comma = strrchr(text, ',');
	char digits[16];

	MUST(weight >= 1);
	if (comma == NULL) {
		MUST(weight == 1);
		return;
	}
	snprintf(digits, sizeof(digits), "%d", weight);
	MUST(strcmp(comma + 1 + strspn(comma + 1, "0"), digits) == 0);
}

static void options(const uint8_t *data, size_t size)
{
	char text[256], ip[IP_TEXT];
	const char *expected;
	struct balancer_name n;
	struct backend b;

	if (size >= sizeof(text) || memchr(data, 0, size) != NULL)
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	if (backend_parse(&b, text, &expected) == 0) {
		must_be_weight(text, b.weight);
		must_read_back(&b);
	}
	MUST(expected != NULL);
	if (balancer_parse(&n, text, &expected) == 0) {
		MUST(n.name[0] != '\0' && ip_format(&n.ip, ip) > 0);
		MUST(strchr(text, '=') != NULL || strcmp(n.name, ip) == 0);
	}
}

/* ---- captures ---- */

static struct ep party(unsigned which, unsigned port)
{
	struct ip ip = ip_v4(192, 0, which % 8 < 2 ? 2 : 102, (uint8_t)(3 + which % 8));

	return (struct ep){ ip, (uint16_t)(which % 8 < 2 ? 53 : 1024 + port) };
}

/* One message's record; its time is the one before's and something, or back. */
static void give(struct made *file, int64_t *t_ns, const uint8_t *head, const uint8_t *m,
                 size_t len)
{
	uint8_t frame[FRAME_HEADERS + QUERY_MAX];
	struct ep client = party(head[3], head[5]), server = party(head[3] >> 3, 0);
	bool answer = (dns_flags(m) & DNS_QR) != 0;

	server.port = 53;
	*t_ns += (int64_t)dns_get16(head) << (head[2] % 32);
	*t_ns -= head[2] & 128 ? *t_ns / 3 : 0;
	*t_ns = *t_ns < 0 || *t_ns > INT64_C(4000000000) * SCENE_S ? 0 : *t_ns;
	int n = frame_udp(frame, sizeof(frame), made_mac, answer ? &server : &client,
	                  answer ? &client : &server, m, len);
	MUST(n > 0);
	made_record(file, (uint32_t)(*t_ns / SCENE_S), (uint32_t)(*t_ns % SCENE_S), frame,
	            (size_t)n, (size_t)n);
}

static void must_add_up(const json_t *doc)
{
	static const char *const ends[] = { "answered", "late", "unanswered", "open", "forgotten" };
	const json_t *list = json_object_get(json_object_get(doc, "foreign"), "backends");

	MUST(json_array_size(list) == 2);
	for (size_t i = 0; i < 2; i++) {
		const json_t *b = json_array_get(list, i);
		json_int_t sum = 0;
		for (size_t k = 0; k < COUNT_OF(ends); k++)
			sum += json_integer_value(json_object_get(b, ends[k]));
		MUST(json_integer_value(json_object_get(b, "queries")) == sum);
	}
}

/* Half of the records into a second file. */
static void write_files(struct scene *s, const uint8_t *data, size_t size)
{
	int64_t t_ns = SCENE_START;
	size_t len, at = 0;

	s->file_n = 2;
	for (unsigned i = 0; i < 2; i++)
		made_pcap(&s->file[i], true, 1);
	for (; at + HEAD <= size; at += len) {
		const uint8_t *head = data + at;
		at += HEAD;
		len = head[7] % QUERY_MAX;
		len = len < size - at ? len : size - at;
		if (len >= DNS_HEADER)
			give(&s->file[head[4] & 1], &t_ns, head, data + at, len);
	}
}

static void capture(uint8_t how, const uint8_t *data, size_t size)
{
	struct bal_server server[SCENE_SERVERS];
	struct scene *s = calloc(1, sizeof(*s));
	char error[FOREIGN_ERROR_TEXT] = "";

	MUST(s != NULL);
	scene_defaults(&s->k);
	write_files(s, data, size);
	struct foreign_options o = scene_options(s, (enum bal_policy)(1 + how % 7), server);
	o.epochs = (enum foreign_epochs)(how / 8 % 3);
	o.conf.udp_retry_ns = how & 64 ? SCENE_MS : 0;
	json_t *doc = scene_judge(s, &o, error);
	if (doc != NULL)
		must_add_up(doc);
	json_decref(doc);
	scene_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 128)
		options(data + 1, size - 1);
	else
		capture(data[0], data + 1, size - 1);
	return 0;
}
