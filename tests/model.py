#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Measures in run directories what sim/virtual/model.h takes for granted: how long programs take
to wake up, forward, answer and start, what the sockets of a hung program hold, and how a kernel
refuses. For either engine, so that both can be laid side by side. Times are the captures'.

usage: model.py RUN_DIR..."""
import collections
import ipaddress
import json
import math
import pathlib
import statistics
import struct
import sys

UDP, ICMP, ICMP6 = 17, 1, 58
PATIENCE_NS = 100_000_000  # what a balancer keeps longer than that it never sends on
Frame = collections.namedtuple("Frame", "t_ns src sport dst dport proto payload")


def parse(t_ns, f):
    """A frame of Ethernet, or None when it is neither UDP nor ICMP."""
    if f[12:14] == b"\x08\x00":
        proto, src, dst, at = f[23], f[26:30], f[30:34], 14 + 4 * (f[14] & 15)
    else:
        proto, src, dst, at = f[20], f[22:38], f[38:54], 54
    if proto == UDP:
        sport, dport = struct.unpack_from(">HH", f, at)
        return Frame(t_ns, src, sport, dst, dport, proto, f[at + 8:])
    return Frame(t_ns, src, 0, dst, 0, proto, f[at:]) if proto in (ICMP, ICMP6) else None


class Run:
    """A run directory, read."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.plan = json.loads((self.path / "plan.json").read_text())
        self.events = [json.loads(line)
                       for line in (self.path / "events.jsonl").read_text().splitlines()]
        self.t0 = int(self.of("start")[0]["t0_unix_ns"])

    def of(self, kind):
        return [e for e in self.events if e["event"] == kind]

    def nodes(self, role):
        return [n for n in self.plan["node"] if n["role"] == role]

    def frames(self, node, until_ns=math.inf):
        data, at = (self.path / f"{node['name']}.pcap").read_bytes(), 24
        while at < len(data):
            sec, ns, length, _ = struct.unpack_from("<IIII", data, at)
            frame = parse(sec * 10**9 + ns - self.t0, data[at + 16:at + 16 + length])
            if frame is not None and frame.t_ns > until_ns:
                return
            if frame is not None:
                yield frame
            at += 16 + length


def own(node):
    return {ipaddress.ip_address(a).packed for a in node["addresses"]}


def question(payload):
    """The question of a DNS message, as it is compared: name in lower case, type, class."""
    end = 12
    while end < len(payload) and payload[end] != 0:
        end += payload[end] + 1
    return payload[12:end + 5].lower()


class Waiting:
    """What came to a balancer, by its question, until something is sent for it."""

    def __init__(self):
        self.by = collections.defaultdict(collections.deque)

    def put(self, key, t_ns, whose):
        self.by[key].append((t_ns, whose))

    def take(self, key, t_ns, whose=None):
        """How long the oldest has waited, or the oldest of somebody's; None: none has."""
        queue = self.by[key]
        while queue and queue[0][0] < t_ns - PATIENCE_NS:
            queue.popleft()
        for i, (begun, who) in enumerate(queue):
            if whose in (None, who):
                del queue[i]
                return t_ns - begun
        return None


def balancer_times(run, node, until_ns=math.inf):
    """(from a query to its forward or to an answer of the balancer's own, from a server's answer to
    the client's), ns, by order."""
    ours, queries, answers = own(node), Waiting(), Waiting()
    forward, answer = [], []
    for f in run.frames(node, until_ns):
        if f.proto != UDP or f.t_ns < 0 or len(f.payload) < 12:
            continue
        key, peer = question(f.payload), (f.dst, f.dport, f.payload[:2])
        if f.dst in ours:
            (answers if f.payload[2] & 0x80 else queries).put(
                key, f.t_ns, (f.src, f.sport, f.payload[:2]))
        elif not f.payload[2] & 0x80:
            forward.append(queries.take(key, f.t_ns))
        elif (took := queries.take(key, f.t_ns, peer)) is not None:
            forward.append(took)
        else:
            answer.append(answers.take(key, f.t_ns))
    return [t for t in forward if t is not None], [t for t in answer if t is not None]


def recursor_times(run, node, until_ns=math.inf):
    """[(arrival, ns until the answer or None)] of the queries at a recursor."""
    ours, waits, found = own(node), {}, []
    for f in run.frames(node, until_ns):
        if f.proto != UDP or len(f.payload) < 12:
            continue
        if f.dst in ours:
            waits[f.src, f.sport, f.payload[:2]] = f.t_ns
        else:
            begun = waits.pop((f.dst, f.dport, f.payload[:2]), None)
            if begun is not None:
                found.append((begun, f.t_ns - begun))
    return sorted(found + [(t, None) for t in waits.values()], key=lambda q: q[0])


def answer_times(run, node, until_ns=math.inf):
    return [d for t, d in recursor_times(run, node, until_ns) if d is not None and t >= 0]


def hits(node, took):
    return [d for d in took if d < node["miss"]["a_ns"] // 2]


def wakes_us(run, until_ns, least=50):
    """{what: the median time that idle programs take to wake up and send what comes of it}: of
    those of which there are so many by then."""
    times = [balancer_times(run, n, until_ns) for n in run.nodes("balancer")]
    took = {"balancer_wake": [d for forward, _ in times for d in forward],
            "balancer_return": [d for _, answer in times for d in answer],
            "recursor_wake": [d for n in run.nodes("recursor")
                              for d in hits(n, answer_times(run, n, until_ns))]}
    return {what: round(statistics.median(v) / 1000) for what, v in took.items()
            if len(v) >= least}


def refusals(run, node, from_ns, to_ns):
    """(datagrams that came while it was dead, times of its refusals, ns until each refusal)."""
    ours, waits, times, took = own(node), {}, [], []
    for f in run.frames(node):
        if not from_ns <= f.t_ns <= to_ns:
            continue
        if f.proto == UDP and f.dst in ours:
            waits[f.sport, f.payload[:2]] = f.t_ns
        elif f.proto != UDP and f.src in ours and f.payload[0] in (1, 3):
            inner = f.payload[8 + (20 if f.proto == ICMP else 40):]
            key = struct.unpack_from(">H", inner)[0], inner[8:10]
            times.append(f.t_ns)
            took += [f.t_ns - waits[key]] if key in waits else []
    return len(waits), times, took


def us(values):
    if not values:
        return "none"
    v = sorted(values)
    return (f"p10 {v[len(v) // 10] / 1000:,.1f}  p50 {statistics.median(v) / 1000:,.1f}  "
            f"p90 {v[len(v) * 9 // 10] / 1000:,.1f} us  (n {len(v):,})")


def say(what, value):
    print(f"  {what:<44} {value}")


def tell_programs(run):
    for node in run.nodes("balancer"):
        forward, answer = balancer_times(run, node)
        say(f"{node['name']}: query until what it sends", us(forward))
        say(f"{node['name']}: server's answer until the client's", us(answer))
    for node in run.nodes("recursor"):
        miss = node["miss"]["a_ns"]
        took = answer_times(run, node)
        say(f"{node['name']}: query until its answer from cache", us(hits(node, took)))
        say(f"{node['name']}: miss, beyond its {miss // 10**6} ms",
            us([d - miss for d in took if miss <= d < 2 * miss]))


def tell_starts(run):
    roles, begun = {n["name"]: n["role"] for n in run.plan["node"]}, {}
    took = collections.defaultdict(list)
    for e in run.of("process"):
        if e["what"] == "started":
            begun[e["node"]] = e["t_ns"]
        if e["what"] == "ready":
            took[roles[e["node"]]].append(e["t_ns"] - begun[e["node"]])
    for role, values in sorted(took.items()):
        say(f"{role}: fork until READY=1", us(values))


def spans(run, down, up):
    """(node, from, to) of each fault that is undone later."""
    faults = sorted(run.of("fault"), key=lambda e: e["from_ns"])
    for i, e in enumerate(faults):
        if e["kind"] == down:
            ends = [u["from_ns"] for u in faults[i:]
                    if u["node"] == e["node"] and u["kind"] == up]
            node = next(n for n in run.plan["node"] if n["name"] == e["node"])
            yield node, e["to_ns"], min(ends + [run.plan["end_ns"]])


def tell_faults(run):
    for node, begin, end in spans(run, "kill", "start"):
        asked, times, took = refusals(run, node, begin, end)
        say(f"{node['name']} dead {(end - begin) / 1e9:.1f} s: datagrams, refusals",
            f"{asked:,}, {len(times):,}")
        say("  refused after its death, ms",
            " ".join(f"{(t - begin) / 1e6:.1f}" for t in times[:24]))
        say("  datagram until its refusal", us(took))
    for node, begin, end in spans(run, "hang", "resume"):
        if node["role"] == "recursor":
            during = [d for t, d in recursor_times(run, node) if begin <= t < end]
            kept = sum(d is not None for d in during)
            say(f"{node['name']} hung {(end - begin) / 1e9:.1f} s: came, kept, dropped",
                f"{len(during):,}, {kept:,}, {len(during) - kept:,}")


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    for path in sys.argv[1:]:
        run = Run(path)
        print(f"{run.plan['name']}, seed {run.plan['seed']}, {run.of('start')[0]['engine']}")
        tell_programs(run)
        tell_starts(run)
        tell_faults(run)
        for e in run.of("load"):
            say(f"load {e['load']}: sent late p50, p99.9",
                f"{e['late_p50_us']}, {e['late_p999_us']} us")
        for e in run.of("wire"):
            say("wire: added p50, p99", f"{e['delay_p50_us']}, {e['delay_p99_us']} us a frame")
    return 0


if __name__ == "__main__":
    sys.exit(main())
