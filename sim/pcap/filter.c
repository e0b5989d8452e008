/* SPDX-License-Identifier: BSD-3-Clause */
/* libpcap's compiler and its interpreter; see filter.h. */
#include "filter.h"

#include <errno.h>
#include <stdlib.h>

#include "dlt.h"

enum { LINKS_MAX = 16 };

struct filter {
	const char *text;
	unsigned n;
	struct {
		uint16_t link;
		struct bpf_program program;
	} of[LINKS_MAX];
};

struct filter *filter_new(const char *text)
{
	struct filter *f = calloc(1, sizeof(*f));

	MUST(f != NULL);
	f->text = text;
	return f;
}

void filter_free(struct filter *take_f)
{
	for (unsigned i = 0; take_f != NULL && i < take_f->n; i++)
		pcap_freecode(&take_f->of[i].program);
	free(take_f);
}

static int compile(struct filter *f, uint16_t link, char error[CAPTURE_ERROR_TEXT])
{
	if (f->n == LINKS_MAX) {
		snprintf(error, CAPTURE_ERROR_TEXT, "--filter: more than %d link types",
		         LINKS_MAX);
		return -EINVAL;
	}
	pcap_t *dead = pcap_open_dead(dlt_of_link(link), CAPTURE_SNAP_MAX);
	MUST(dead != NULL);
	int err = pcap_compile(dead, &f->of[f->n].program, f->text, 1, PCAP_NETMASK_UNKNOWN);
	if (err != 0)
		snprintf(error, CAPTURE_ERROR_TEXT, "--filter %s: %s (link type %u)", f->text,
		         pcap_geterr(dead), link);
	pcap_close(dead);
	f->of[f->n].link = link;
	return err != 0 ? -EINVAL : (int)f->n++;
}

/* Where the program for link is, compiled if it isn't there yet; or -EINVAL. */
static int program_of(struct filter *f, uint16_t link, char error[CAPTURE_ERROR_TEXT])
{
	for (unsigned i = 0; i < f->n; i++)
		if (f->of[i].link == link)
			return (int)i;
	return compile(f, link, error);
}

int filter_check(struct filter *f, int link, char error[CAPTURE_ERROR_TEXT])
{
	char other[CAPTURE_ERROR_TEXT];

	if (program_of(f, link >= 0 ? (uint16_t)link : LINK_ETHERNET, error) >= 0)
		return 0;
	return link < 0 && program_of(f, LINK_SLL2, other) >= 0 ? 0 : -EINVAL;
}

int filter_match(struct filter *f, const struct capture_packet *p, char error[CAPTURE_ERROR_TEXT])
{
	struct pcap_pkthdr h = { .caplen = p->len, .len = p->wire_len };
	int i = program_of(f, p->link, error);

	return i < 0 ? i : pcap_offline_filter(&f->of[i].program, &h, p->bytes) != 0;
}
