/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a run that never happened is told to the judge: its events, its records one by one, or files
 * in a directory. The end of synth.h, which includes it.
 */
#ifndef EK_TESTS_SYNTH_TOLD_H
#define EK_TESTS_SYNTH_TOLD_H

static inline void synth_fault_event(const struct synth *s, unsigned i, json_t *list)
{
	const struct plan_fault *f = &s->plan->fault[i];

	json_array_append_new(list, json_pack("{s:s, s:I, s:s, s:s, s:I, s:I, s:I, s:b, s:s}",
		"event", "fault", "t_ns", (json_int_t)f->at_ns, "kind", plan_fault_name(f->kind),
		"node", s->plan->node[f->node].name, "at_ns", (json_int_t)f->at_ns,
		"from_ns", (json_int_t)f->at_ns, "to_ns", (json_int_t)(f->at_ns + 200 * SYNTH_US),
		"verified", !s->knob.unverified, "evidence", "synthetic"));
}

static inline void synth_node_event(const struct synth *s, unsigned i, json_t *list)
{
	json_int_t n = (json_int_t)s->frames[i];
	json_t *e = json_pack("{s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:i, s:i, s:i}",
		"event", "node", "t_ns", (json_int_t)s->plan->end_ns, "node", s->plan->node[i].name,
		"if_sent", n / 2, "if_received", n - n / 2, "wire_took", n / 2,
		"wire_gave", n - n / 2, "if_drops", 0, "udp_rcvbuf_errors", 0,
		"queue_drops", (int)s->knob.queue_drops);

	if (s->knob.program_wait_us > 0)
		json_object_set_new(e, "wait_max_us", json_integer(s->knob.program_wait_us));
	json_array_append_new(list, e);
	if (s->knob.in_virtual)
		return;
	json_array_append_new(list, json_pack("{s:s, s:I, s:s, s:I}", "event", "pcap", "t_ns",
		(json_int_t)s->plan->end_ns, "node", s->plan->node[i].name, "records", n));
}

/* All events of the run, a new reference to an array. */
static inline json_t *synth_events(const struct synth *s)
{
	const struct synth_knobs *k = &s->knob;
	json_int_t end = (json_int_t)s->plan->end_ns;
	json_t *list = json_array();
	char sha[65];

	plan_sha256(s->plan, sha);
	json_array_append_new(list, json_pack("{s:s, s:i, s:s, s:I, s:s, s:s, s:s}",
		"event", "start", "t_ns", 0, "engine", k->in_virtual ? "virtual" : "netns",
		"seed", (json_int_t)s->plan->seed,
		"plan_sha256", sha, "t0_unix_ns", "1700000000000000000", "evenkeel", "synthetic"));
	for (unsigned i = 0; i < s->plan->fault_n && !k->fault_untold; i++)
		synth_fault_event(s, i, list);
	json_array_append_new(list, json_pack("{s:s, s:I, s:i, s:I, s:I, s:I, s:i, s:I, s:I}",
		"event", "load", "t_ns", end, "load", 0, "planned", (json_int_t)s->queries,
		"sent", (json_int_t)s->sent, "unsent", (json_int_t)k->unsent, "late_p50_us", 10,
		"late_p999_us", (json_int_t)(k->late_ns / 1000 + 20),
		"late_max_us", (json_int_t)(k->late_ns / 1000 + 30)));
	for (unsigned i = 0; i < s->plan->node_n; i++)
		synth_node_event(s, i, list);
	json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:i, s:i, s:I}", "event", "wire",
		"t_ns", end, "drops", (json_int_t)k->drops, "delay_p50_us", 10, "delay_p99_us", 50,
		"loop_gap_max_us", (json_int_t)k->loop_gap_us));
	if (!k->in_virtual)
		json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "event", "clock", "t_ns",
			end, "step_us", (json_int_t)k->clock_step_us));
	for (unsigned i = 0; i < k->violations; i++)
		json_array_append_new(list, json_pack("{s:s, s:i, s:s, s:s}", "event", "violation",
			"t_ns", (int)(i + 1) * 1000, "node", "LB1", "what", "lost count"));
	if (k->trouble)
		json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "event", "trouble",
			"t_ns", end, "what", "LB1 ended by itself"));
	if (!k->no_end)
		json_array_append_new(list, json_pack("{s:s, s:I, s:i}", "event", "end",
			"t_ns", end, "teardown_us", 100));
	return list;
}

/* ---- judging without files, and files ---- */

static inline void synth_tell(const struct synth *s, struct judge *j)
{
	json_t *events = synth_events(s), *e;
	size_t i;

	json_array_foreach(events, i, e)
		judge_event(j, e);
	json_decref(events);
}

/* A record's frame, without the bytes before its payload. */
static inline struct frame synth_frame(const struct synth_record *r)
{
	return (struct frame){ .kind = r->tcp ? FRAME_TCP : FRAME_UDP, .src = r->src,
	                       .dst = r->dst, .payload = r->data, .payload_len = r->len,
	                       .tcp_seq = r->tcp_seq, .tcp_flags = r->tcp_flags };
}

/* The verdict document, records fed straight to judge_tap. */
static inline json_t *synth_judge(const struct synth *s)
{
	char error[JUDGE_ERROR_TEXT];
	struct judge *j = judge_new(s->plan, error);
	uint64_t number[16] = { 0 };

	MUST(j != NULL);
	synth_tell(s, j);
	for (size_t i = 0; i < s->n; i++) {
		const struct synth_record *r = &s->record[i];
		struct frame f = synth_frame(r);
		struct judge_tap t = { r->t_ns, ++number[r->node], r->node, &f, NULL };
		judge_tap(j, &t);
	}
	json_t *doc = judge_finish(j);
	judge_free(j);
	return doc;
}

/* Writes NODE.pcap into dir. */
static inline void synth_pcap(const struct synth *s, const char *dir, unsigned node)
{
	static const uint8_t mac[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	char path[4096];
	struct pcapw *w;

	snprintf(path, sizeof(path), "%s/%s.pcap", dir, s->plan->node[node].name);
	MUST(pcapw_open(&w, path, 0) == 0);
	for (size_t i = 0; i < s->n; i++) {
		const struct synth_record *r = &s->record[i];
		uint8_t frame[FRAME_HEADERS + REC_ANSWER_MAX];
		if (r->node != node)
			continue;
		int len = frame_udp(frame, sizeof(frame), mac, &r->src, &r->dst, r->data, r->len);
		MUST(len > 0);
		pcapw_add(w, r->t_ns + SYNTH_T0, frame, (size_t)len, (size_t)len);
	}
	MUST(pcapw_close(w) == 0);
}

/* A whole run directory; dir exists. */
static inline void synth_write(const struct synth *s, const char *dir)
{
	json_t *events = synth_events(s), *e, *plan = plan_to_json(s->plan);
	char path[4096];
	size_t i;

	snprintf(path, sizeof(path), "%s/plan.json", dir);
	MUST(json_dump_file(plan, path, JSON_SORT_KEYS | JSON_INDENT(2)) == 0);
	snprintf(path, sizeof(path), "%s/events.jsonl", dir);
	FILE *f = fopen(path, "w");
	MUST(f != NULL);
	json_array_foreach(events, i, e) {
		json_dumpf(e, f, JSON_COMPACT);
		fputc('\n', f);
	}
	fclose(f);
	for (unsigned n = 0; n < s->plan->node_n; n++)
		synth_pcap(s, dir, n);
	json_decref(events);
	json_decref(plan);
}

/* Removes what synth_write wrote, and dir. */
static inline void synth_remove(const struct plan *p, const char *dir)
{
	char path[4096];

	for (unsigned i = 0; i < p->node_n; i++) {
		snprintf(path, sizeof(path), "%s/%s.pcap", dir, p->node[i].name);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/plan.json", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/events.jsonl", dir);
	unlink(path);
	rmdir(dir);
}

#endif
