# SPDX-License-Identifier: BSD-3-Clause
"""The language of tests/configs/*.ask, which says what is asked of a balancer that runs the .conf
of the same name, and what must come of it; tests/configs/README.md describes it. Here are the
lines as objects, queries as bytes, and whether a record of what happened is what a line expects."""
import dataclasses
import ipaddress
import math
import pathlib
import struct

import dns.edns
import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype

TYPO = "{path}:{n}: {line!r}: expected {what}"
CHANCE = 1e-9  # that a right balancer's spread is called wrong, for each server of each line


@dataclasses.dataclass
class Ask:
    """One line: who asks what, how often, and what must come of it."""
    line: str
    client: str
    proto: str
    times: int
    front: str
    name: str
    rdtype: str
    options: dict
    expect: list

    @property
    def label(self):
        """The question in words, by which the table of differences names it."""
        words = self.line.split("->")[0].split("#")[0].split()
        return " ".join(w for w in words if not w.startswith(("raw=", "short=", "tail=")))

    def message(self, ident, i):
        """The i-th query in wire form."""
        if "raw" in self.options:
            return struct.pack("!H", ident) + bytes.fromhex(self.options["raw"])
        if "short" in self.options:
            return bytes.fromhex(self.options["short"])
        o, q = self.options, dns.message.Message(ident)
        q.flags = 0 if o.get("rd") == "0" else int(dns.flags.RD)
        q.flags |= sum(int(getattr(dns.flags, f.upper())) for f in ("cd", "ad", "tc") if f in o)
        q.set_opcode(int(o.get("opcode", 0)))
        rdclass = dns.rdataclass.from_text(o.get("class", "IN"))
        q.find_rrset(q.question, dns.name.from_text(self.name.replace("{}", str(i))), rdclass,
                     dns.rdatatype.from_text(self.rdtype), create=True, force_unique=True)
        if {"edns", "do", "cookie", "ecs", "size", "version"} & set(o):
            extra = []
            if "cookie" in o:
                extra.append(dns.edns.GenericOption(10, bytes.fromhex(o["cookie"])))
            if "ecs" in o:
                net = ipaddress.ip_network(o["ecs"])
                extra.append(dns.edns.ECSOption(str(net.network_address), net.prefixlen, 0))
            q.use_edns(int(o.get("version", 0)), dns.flags.DO if "do" in o else 0,
                       int(o.get("size", 1232)), options=extra)
        return q.to_wire() + bytes.fromhex(o.get("tail", ""))


@dataclasses.dataclass
class Step:
    """A line that begins with an exclamation mark: something done between two questions."""
    words: list


@dataclasses.dataclass
class Script:
    """A whole file."""
    path: pathlib.Path
    fronts: list
    servers: dict
    client: str = ""
    routing: str = "same"
    odd: bool = True
    only_ours: str = ""
    probes: tuple = ("a.root-servers.net",)
    lines: list = dataclasses.field(default_factory=list)

    @property
    def conf(self):
        return self.path.with_suffix(".conf")

    @property
    def next(self):
        """What the file becomes at a reload; there need not be one."""
        return self.path.with_suffix(".next")

    def asks(self):
        return [a for a in self.lines if isinstance(a, Ask)]


def endpoint(text, port=53):
    """(address, port) of 192.0.2.1, 192.0.2.1:53, 2001:db8::1 or [2001:db8::1]:53"""
    if text.startswith("["):
        host, _, tail = text[1:].partition("]")
        return host, int(tail[1:] or port)
    if text.count(":") == 1:
        host, tail = text.split(":")
        return host, int(tail)
    return text, port


def parse_ask(line, front, client=""):
    left, _, right = line.split("#")[0].replace("CLIENT", client).partition("->")
    words = left.split()
    client, proto, name = words[:3]
    proto, _, other = proto.partition("@")
    proto, _, times = proto.partition("*")
    assert proto in ("udp", "tcp", "stream", "pipe"), "udp, tcp, stream or pipe"
    rest = words[3:]
    rdtype = rest.pop(0) if rest and "=" not in rest[0] and rest[0].isupper() else "A"
    options = dict(w.partition("=")[::2] for w in rest)
    return Ask(line.strip(), client, proto, int(times or 1), other or front, name, rdtype,
               options, right.split())


def read(path, client=None, front=None):
    """A .ask file. client, front: for the common list, which has none of its own."""
    s = Script(pathlib.Path(path), [front] if front else [], {}, client or "")
    for n, line in enumerate(s.path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        word, rest = words[0], words[1:]
        if word == "front":
            s.fronts += rest
        elif word == "server":
            s.servers[rest[0]] = rest[1]
        elif word == "probe":
            s.probes += tuple(rest)
        elif word in ("client", "routing"):
            setattr(s, word, rest[0])
        elif word == "only-ours":
            s.only_ours = " ".join(rest)
        elif word == "odd":
            s.odd = rest[0] != "no"
        elif word == "!":
            s.lines.append(Step(rest))
        else:
            try:
                s.lines.append(parse_ask(line, s.fronts[0], s.client))
            except (ValueError, AssertionError, IndexError) as e:
                raise ValueError(TYPO.format(path=path, n=n, line=line, what=e)) from e
    return s


# ---- what came of it ----

def short(record, routing="same"):
    """A record in words, as the table of differences has it."""
    words = [record["kind"]]
    if record["kind"] not in ("silence", "closed"):
        words += [w for w in ("tc", "late") if record[w]]
        words += [f"ip={ip}" for ip in record["ips"]
                  if routing == "same" or not ip.startswith(("203.0.113.", "2001:db8::"))]
    if not record["servers"]:
        return " ".join(words)
    return " ".join(words) + " from " + ("a server" if routing == "any" else
                                         ",".join(record["servers"]))


def faults_of_one(record, expect):
    """Why the record isn't what the line expects; empty when it is."""
    words, got = list(expect), short(record)
    kind = words.pop(0)
    if record["kind"] != kind:
        return [f"{got}: expected {kind}"]
    for flag in ("late", "tc"):
        if kind not in ("silence", "closed") and record[flag] != (flag in words):
            return [f"{got}: expected {'' if flag in words else 'not '}{flag}"]
    if "self" in words and record["servers"]:
        return [f"{got}: expected no server to be asked"]
    if "from" in words:
        who = words[words.index("from") + 1].split("|")
        if not record["servers"] or not set(record["servers"]) <= set(who):
            return [f"{got}: expected it from {who}"]
    for w in words:
        if w.startswith("ip=") and w[3:] not in record["ips"]:
            return [f"{got}: expected {w}"]
    return []


def tail(n, k, p):
    """P(X <= k) of a binomial X."""
    return math.fsum(math.comb(n, i) * p ** i * (1 - p) ** (n - i) for i in range(k + 1))


def spread_faults(records, shares):
    """Each server's count must be one that its share explains."""
    counts = {}
    for r in records:
        for s in r["servers"]:
            counts[s] = counts.get(s, 0) + 1
    total, n = sum(shares.values()), sum(counts.values())
    bad = [f"{s} was asked: expected only {sorted(shares)}" for s in counts if s not in shares]
    bad += [f"{n} queries reached a server: expected {len(records)}"] * (n != len(records))
    for s, share in shares.items():
        k, p = counts.get(s, 0), share / total
        if min(tail(n, k, p), tail(n, n - k, 1 - p)) < CHANCE:
            bad.append(f"{s} got {k} of {n}: expected a share of {share}/{total}")
    return bad


def count_faults(records, seconds, low, rate, instead="silence"):
    """A limit of queries a second: at least low pass, and no more than time explains. instead:
    what becomes of the others."""
    n = sum(not (r["tc"] if instead == "TC" else r["kind"] == instead) for r in records)
    most = low + math.ceil(seconds * rate) + 1
    return [] if low <= n <= most else [f"{n} were answered: expected {low} to {most}"]


def faults(ask, records, seconds):
    """Why what happened isn't what the line says; empty when it is, or says nothing."""
    if not ask.expect:
        return []
    if ask.expect[0] == "spread":
        return spread_faults(records, {s: int(w) for s, w in
                                       (x.split("=") for x in ask.expect[1:])})
    if ask.expect[0] == "limit":
        return count_faults(records, seconds, int(ask.expect[1]), float(ask.expect[2]),
                            *ask.expect[3:])
    if ask.expect[0] == "first":  # first N OUTCOME then OUTCOME
        n, at = int(ask.expect[1]), ask.expect.index("then")
        each = [ask.expect[2:at] if i < n else ask.expect[at + 1:] for i in range(len(records))]
    else:
        each = [ask.expect] * len(records)
    return [f for r, e in zip(records, each) for f in faults_of_one(r, e)]
