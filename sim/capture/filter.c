/* SPDX-License-Identifier: BSD-3-Clause */
/* libpcap's filters on packets of any link type; see filter.h. */
#include "filter.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>

#include "sim/capture/core/layer.h"

enum { LINKS_MAX = 16, SNAP = CAPTURE_SNAP_MAX };

struct compiled {
	uint16_t link;
	bool good;
	struct bpf_program program;
};

struct capture_filter {
	const char *text;
	unsigned n;            /* of what was compiled; one that is forgotten is compiled again */
	struct compiled of[LINKS_MAX];
};

/* The number by which libpcap's compiler knows a link type: another one for raw IP. */
static int dlt_of(uint16_t link)
{
	return link == LINK_RAW ? DLT_RAW : link;
}

static bool compile(struct compiled *c, const char *text, uint16_t link,
                    char error[CAPTURE_ERROR_TEXT])
{
	pcap_t *p = pcap_open_dead(dlt_of(link), SNAP);

	*c = (struct compiled){ .link = link };
	MUST(p != NULL);
	c->good = pcap_compile(p, &c->program, text, 1, PCAP_NETMASK_UNKNOWN) == 0;
	if (!c->good && error != NULL)
		snprintf(error, CAPTURE_ERROR_TEXT, "'%.200s': expected a filter as tcpdump has "
		         "it: %s", text, pcap_geterr(p));
	pcap_close(p);
	return c->good;
}

int capture_filter_new(struct capture_filter **out, const char *text,
                       char error[CAPTURE_ERROR_TEXT])
{
	struct capture_filter *f = calloc(1, sizeof(*f));

	MUST(f != NULL);
	f->text = text;
	f->n = 1;
	*out = f;
	if (compile(&f->of[0], text, LINK_ETHERNET, error) ||
	    compile(&f->of[0], text, LINK_SLL, NULL)) /* "inbound" needs it */
		return 0;
	free(f);
	*out = NULL;
	return -EINVAL;
}

static struct compiled *compiled_for(struct capture_filter *f, uint16_t link)
{
	for (unsigned i = 0; i < f->n; i++)
		if (f->of[i].link == link)
			return &f->of[i];
	if (f->n == LINKS_MAX && f->of[--f->n].good)
		pcap_freecode(&f->of[f->n].program);
	struct compiled *c = &f->of[f->n++];
	compile(c, f->text, link, NULL);
	return c;
}

bool capture_filter_fits(struct capture_filter *f, const struct capture_packet *p)
{
	struct pcap_pkthdr h = { .caplen = p->len, .len = p->wire_len };

	if (p->fault != 0)
		return false;
	struct compiled *c = compiled_for(f, p->link);
	return c->good && pcap_offline_filter(&c->program, &h, p->bytes) != 0;
}

void capture_filter_free(struct capture_filter *take_f)
{
	for (unsigned i = 0; take_f != NULL && i < take_f->n; i++)
		if (take_f->of[i].good)
			pcap_freecode(&take_f->of[i].program);
	free(take_f);
}
