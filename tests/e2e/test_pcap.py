# SPDX-License-Identifier: BSD-3-Clause
"""evenkeel pcap: captures merged, cut, filtered and anonymized. What tcpdump's and Wireshark's
tools make of the same is what it makes; and an anonymized capture says the same as the original
to evenkeel info, but for who asked whom for what."""
import gzip
import ipaddress
import os
import random
import signal
import struct
import subprocess
import time

import dns.edns
import dns.message
import dns.rcode
import dns.rrset
import pytest

import ek
from test_info import (CLIENT, SERVERS, START, answered, cooked2, convert, doc_of, ethernet, ipv4,
                       message, pcap, tcp, traffic, udp)

KEY = "a key of its own, long enough"


def run(*args, stdin=None, env=None):
    return subprocess.run([ek.program("evenkeel"), "pcap", *map(str, args)], input=stdin,
                          stdin=subprocess.DEVNULL if stdin is None else None,
                          env={**os.environ, **(env or {})}, capture_output=True, timeout=60,
                          check=False)


def made(*args, stdin=None, env=None):
    done = run(*args, stdin=stdin, env=env)
    assert done.returncode == 0, done.stderr
    return done


def records(path_or_bytes):
    """(ns, bytes) of each packet of a pcap with nanoseconds, and its link type."""
    data = path_or_bytes if isinstance(path_or_bytes, bytes) else path_or_bytes.read_bytes()
    magic, _, _, _, _, _, link = struct.unpack("<IHHiIII", data[:24])
    assert magic == 0xa1b23c4d
    out, at = [], 24
    while at < len(data):
        s, ns, n, wire = struct.unpack("<IIII", data[at:at + 16])
        assert n == wire
        out.append((s * 10**9 + ns, data[at + 16:at + 16 + n]))
        at += 16 + n
    return out, link


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("pcap") / "plain.pcap"
    path.write_bytes(pcap([(t, ethernet(p)) for t, p in traffic()]))
    return path


# ---- merge, cut, filter ----

@pytest.mark.parametrize("kind", ["pcap", "pcapng", "gzip", "stdin"])
def test_a_capture_in_any_format_becomes_a_pcap_of_the_same_packets(plain, tmp_path, kind):
    source, stdin, out = tmp_path / "in", None, tmp_path / "out.pcap"
    if kind == "gzip":
        source.write_bytes(gzip.compress(plain.read_bytes()))
    elif kind == "stdin":
        source, stdin = "-", plain.read_bytes()
    else:
        convert("editcap", "-F", "nsecpcap" if kind == "pcap" else kind, plain, source)
    done = made("--out", out, source, stdin=stdin)
    assert out.read_bytes() == plain.read_bytes()
    assert done.stderr.decode() == "470 packets read, 470 written\n"
    assert made("--out", "-", source, stdin=stdin).stdout == plain.read_bytes()


def test_files_are_merged_by_time(plain, tmp_path):
    packets, paths = [(t, ethernet(p)) for t, p in traffic()], []
    chance = random.Random(1)
    which = [chance.randrange(3) for _ in packets]
    for i in range(3):
        paths.append(tmp_path / f"{i}.pcap")
        paths[-1].write_bytes(pcap([p for p, w in zip(packets, which) if w == i]))
    out = tmp_path / "out.pcap"
    made("--merge", "--out", out, *paths)
    times = [t for t, _ in records(out)[0]]
    assert times == sorted(times)
    assert sorted(records(out)[0]) == sorted(records(plain)[0])


def test_files_of_different_link_layers_become_one_of_raw_ip(tmp_path):
    packets = traffic()
    one, two, out = (tmp_path / f"{n}.pcap" for n in ("one", "two", "out"))
    one.write_bytes(pcap([(t, ethernet(p)) for t, p in packets[::2]]))
    two.write_bytes(pcap([(t, cooked2(p)) for t, p in packets[1::2]], 276))
    made("--merge", "--out", out, one, two)
    got, link = records(out)
    assert link == 101 and sorted(p for _, p in got) == sorted(p for _, p in packets)
    made("--raw", "--out", out, one)
    assert [p for _, p in records(out)[0]] == [p for _, p in packets[::2]]


def test_a_capture_without_packets_is_one_too(tmp_path):
    path, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
    path.write_bytes(pcap([]))
    made("--anonymize", KEY, "--out", out, path)
    assert records(out) == ([], 1)
    made("--raw", "--out", out, path)
    assert records(out) == ([], 101)


@pytest.mark.parametrize("span,first,last", [
    ("5s..10s", 5, 10), ("..2500ms", 0, 2.5), ("15s..", 15, 99), (f"@{START + 3}..4s", 3, 4),
    ("2023-11-14T22:13:25.5Z..2023-11-14T22:13:26Z", 5.5, 6), (f"..@{START}.000000001", 0, 1e-9),
])
def test_a_cut_has_its_beginning_and_not_its_end(plain, tmp_path, span, first, last):
    out = tmp_path / "out.pcap"
    done = made("--cut", span, "--out", out, plain)
    want = [(t, p) for t, p in records(plain)[0]
            if START * 10**9 + round(first * 1e9) <= t < START * 10**9 + round(last * 1e9)]
    assert records(out)[0] == want and want
    assert f"{470 - len(want):>9}  cut: outside of --cut\n".encode() in done.stderr


@pytest.mark.parametrize("expression", ["udp port 53 and host 192.0.2.3", "tcp", "not tcp",
                                        "src host 198.51.100.1 and greater 60"])
def test_a_filter_is_tcpdump_s(plain, tmp_path, expression):
    ours, theirs = tmp_path / "ours.pcap", tmp_path / "theirs.pcap"
    made("--filter", expression, "--out", ours, plain)
    subprocess.run([ek.tool("tcpdump"), "-r", str(plain), "-w", str(theirs),
                    "--time-stamp-precision=nano", expression], check=True, capture_output=True,
                   timeout=60)
    assert ours.read_bytes() == theirs.read_bytes() != plain.read_bytes()


def test_a_filter_is_of_each_link_layer(tmp_path):
    one, two, out = (tmp_path / f"{n}.pcap" for n in ("one", "two", "out"))
    one.write_bytes(pcap([(t, ethernet(p)) for t, p in traffic()]))
    two.write_bytes(pcap([(t, cooked2(p)) for t, p in traffic()], 276))
    made("--merge", "--filter", f"dst host {SERVERS[1]}", "--out", out, one, two)
    want = sorted(p for _, p in traffic() if p[16:20] == ipv4(SERVERS[1]))
    assert sorted(p for _, p in records(out)[0]) == sorted(want + want)


def test_times_can_be_shifted(plain, tmp_path):
    out = tmp_path / "out.pcap"
    made("--start", "@100.5", "--cut", "5s..", "--out", out, plain)
    want = [t - START * 10**9 + 100_500_000_000 for t, _ in records(plain)[0]]
    assert [t for t, _ in records(out)[0]] == [t for t in want if t >= 105_500_000_000]


def test_times_that_a_pcap_cannot_have_are_left_out(plain, tmp_path):
    out, last = tmp_path / "out.pcap", 2**32 * 10**9 - 1
    done = made("--start", "@4294967290", "--out", out, plain)
    want = [t + (2**32 - 6 - START) * 10**9 for t, _ in records(plain)[0]]
    late = sum(t > last for t in want)
    assert [t for t, _ in records(out)[0]] == [t for t in want if t <= last]
    assert 0 < late < len(want)
    assert done.stderr.decode().splitlines()[1] == \
        f"  {late:9}  late: of a time after 2106-02-07T06:28:15Z, a pcap's last"


# ---- anonymized ----

def scrubbed(doc):
    """A document of evenkeel info without what may be different."""
    out = {k: v for k, v in doc.items() if k not in ("files", "clients", "names", "servers")}
    for what, key in (("clients", "client"), ("names", "name"), ("servers", "server")):
        rows = [{k: v for k, v in row.items() if k != key} for row in doc[what]["top"]]
        out[what] = {**doc[what], "top": sorted(map(str, rows))}
    return out


def test_info_says_the_same_of_an_anonymized_capture(plain, tmp_path):
    out = tmp_path / "out.pcap"
    made("--anonymize", KEY, "--out", out, plain)
    assert scrubbed(doc_of(out)) == scrubbed(doc_of(plain))
    before, after = doc_of(plain), doc_of(out)
    for what, key in (("clients", "client"), ("names", "name"), ("servers", "server")):
        names = {row[key] for row in before[what]["top"]}
        assert names and not names & {row[key] for row in after[what]["top"]}


def test_a_run_says_the_same(tmp_path):
    """Shares, answer times and what went unanswered of a run's captures, merged and anonymized."""
    ek.run(ek.SCENARIOS / "blog.lua", tmp_path / "run", "--engine", "virtual")
    for node in ("LB1", "clients"):
        before, after = tmp_path / "run" / f"{node}.pcap", tmp_path / f"{node}.pcap"
        made("--anonymize", KEY, "--out", after, before)
        assert scrubbed(doc_of(after)) == scrubbed(doc_of(before))
        assert doc_of(after)["messages"]["answered"] > 1000


def judged(path, *backends):
    """What evenkeel judge says of a capture, but for who has which address."""
    done = subprocess.run([ek.program("evenkeel"), "judge", "--json", "--policy", "wrandom",
                           *[a for b in backends for a in ("--backend", b)], path.name],
                          cwd=path.parent, capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode in (ek.PASS, ek.FAIL, ek.INCONCLUSIVE), done.stderr
    return done.stdout


@pytest.mark.parametrize("story", ["ours-killed", "ours-hung", "debian-steady"])
def test_the_judge_says_the_same(tmp_path, story):
    """Shares, outages by health checks, answer times: of a capture and of what became of it."""
    before, after = tmp_path / "before" / "x.pcap", tmp_path / "after" / "x.pcap"
    for path in (before, after):
        path.parent.mkdir()
    made("--filter", "port 53", "--out", before,
         ek.ROOT / "pcaps" / "lab" / f"{story}.pcap.gz")
    made("--anonymize", KEY, "--out", after, before)
    pairs = list(zip(records(before)[0], records(after)[0]))
    assert len(records(before)[0]) == len(records(after)[0])
    became = {str(ipaddress.ip_address(b[26:30])): str(ipaddress.ip_address(a[26:30]))
              for (_, b), (_, a) in pairs if b[12:14] == b"\x08\0"}
    assert len(set(became.values())) == len(became) > 20
    servers = {"DNS1": "192.0.2.3", "DNS3": "192.0.2.4"}
    was = judged(before, *[f"{n}={a}" for n, a in servers.items()])
    now = judged(after, *[f"{n}={became[a]}" for n, a in servers.items()])
    for address in sorted(became, key=len, reverse=True):
        was = was.replace(f'"{address}', f'"{became[address]}')
    assert now == was
    assert ('"by":"checks"' in now) == (story != "debian-steady")


def test_tshark_reads_the_same_messages_over_udp_and_tcp(tmp_path):
    """Of 1,500 queries, a fifth over TCP in 80 connections: IDs, rcodes, counts, lengths."""
    before, after = tmp_path / "before.pcap", tmp_path / "after.pcap"
    made("--filter", "port 53", "--out", before,
         ek.ROOT / "pcaps" / "office" / "clients.pcap.gz")
    done = made("--anonymize", KEY, "--out", after, before)
    assert b"given in part" not in done.stderr and b"left out" not in done.stderr
    fields = [a for f in ("frame.time_epoch", "dns.id", "dns.flags", "dns.qry.type",
                          "dns.qry.name.len", "dns.count.answers", "dns.resp.type",
                          "udp.length", "tcp.len", "tcp.seq") for a in ("-e", f)]
    said = [subprocess.run([ek.tool("tshark"), "-n", "-r", str(path), "-Y", "dns", "-T", "fields",
                            *fields], capture_output=True, text=True, timeout=60,
                           check=True).stdout for path in (before, after)]
    assert said[0] == said[1] and said[0].count("\n") >= 2900


SECRETS = ["telling-name", "secret", "other-alias", "mailhost", "hostmaster-x", "nameserver",
           "service-target", "cookie08"]


def telling_answer(i):
    query = dns.message.make_query("telling-name.example.org", "TXT", id=i, use_edns=0, options=[
        dns.edns.ECSOption("198.51.100.64", 26),
        dns.edns.GenericOption(10, b"cookie08"), dns.edns.GenericOption(65001, b"secret")])
    answer = dns.message.make_response(query)
    answer.use_edns(0, options=query.options)
    for name, kind, data in [
            ("telling-name.example.org.", "TXT", '"secret text" "more of secret"'),
            ("telling-name.example.org.", "A", "198.51.100.77"),
            ("telling-name.example.org.", "AAAA", "2001:db8:77::77"),
            ("telling-name.example.org.", "CNAME", "other-alias.example.org."),
            ("example.org.", "MX", "10 mailhost.example.org."),
            ("example.org.", "SOA", "nameserver.example.org. hostmaster-x.example.org. 1 2 3 4 5"),
            ("_sip._udp.example.org.", "SRV", "1 2 3 service-target.example.org."),
            ("77.100.51.198.in-addr.arpa.", "PTR", "telling-name.example.org."),
            ("example.org.", "TYPE65300", "\\# 6 736563726574")]:
        answer.answer.append(dns.rrset.from_text(name, 300, "IN", kind, data))
    return query, answer


def telling_traffic():
    query, answer = telling_answer(7)
    q, a = query.to_wire(), answer.to_wire()
    framed = struct.pack("!H", len(a)) + a
    client, server = "198.51.100.77", "203.0.113.53"
    packets = [udp(client, 4000, server, 53, q), udp(server, 53, client, 4000, a),
               tcp(server, 53, client, 4001, 99, 18)]
    packets += [tcp(server, 53, client, 4001, 100 + at, 24, framed[at:at + 100])
                for at in range(0, len(framed), 100)]
    quoted = udp(client, 4000, server, 53, q)
    packets.append(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(quoted), 0, 0, 64, 1, 0,
                               ipv4(server), ipv4(client)) + b"\3\3\0\0\0\0\0\0" + quoted)
    return [(i / 1000, ethernet(p)) for i, p in enumerate(packets)]


def test_nothing_of_the_original_is_left(tmp_path):
    path, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
    path.write_bytes(pcap(telling_traffic()))
    made("--anonymize", KEY, "--out", out, path)
    before, after = path.read_bytes(), out.read_bytes()
    assert len(before) == len(after)
    addresses = [ipaddress.ip_address(a).packed for a in ("198.51.100.77", "203.0.113.53",
                                                          "198.51.100.64", "2001:db8:77::77")]
    macs = [ethernet(b"")[:6], ethernet(b"")[6:12]]
    for what in [s.encode() for s in SECRETS] + addresses + macs:
        assert what in before and what not in after.lower(), what


def faults(path):
    """tshark's lines of packets that are malformed or have a wrong checksum, but in what ICMP
    quotes."""
    done = subprocess.run([ek.tool("tshark"), "-n", "-r", str(path), "-o",
                           "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o",
                           "tcp.check_checksum:TRUE", "-Y",
                           "_ws.malformed or ip.checksum.status == 0 or udp.checksum.status == 0 "
                           "or tcp.checksum.status == 0 or icmp.checksum.status == 0"],
                          capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


def test_what_is_left_can_be_read_by_others(tmp_path):
    """dnspython and tshark find the shape of the original, and checksums are right."""
    path, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
    path.write_bytes(pcap(telling_traffic()))
    made("--anonymize", KEY, "--out", out, path)
    was = dns.message.from_wire(records(path)[0][1][1][42:])
    now = dns.message.from_wire(records(out)[0][1][1][42:])
    assert [(r.rdtype, r.ttl, len(r)) for r in now.answer] == [(r.rdtype, r.ttl, len(r))
                                                              for r in was.answer]
    assert [o.otype for o in now.options] == [o.otype for o in was.options]
    assert now.answer[7][0].target == now.answer[0].name == now.question[0].name
    assert now.options[0].srclen == 26
    client = ipaddress.ip_network(f"{now.options[0].address}/26")
    assert ipaddress.ip_address(now.answer[1][0].address) in client
    assert not faults(out)
    assert len(faults(path)) == len(telling_traffic())  # whose checksums are zero


def test_a_name_that_is_kept_stays(tmp_path):
    path, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
    path.write_bytes(pcap(telling_traffic()))
    made("--anonymize", KEY, "--keep", "Example.org", "--out", out, path)
    asked = dns.message.from_wire(records(out)[0][0][1][42:]).question[0].name.to_text()
    assert asked.endswith(".example.org.") and len(asked) == len("telling-name.example.org.")
    assert b"telling" not in out.read_bytes()


def test_the_same_key_gives_the_same_bytes_wherever_it_is_from(plain, tmp_path):
    keyfile = tmp_path / "key"
    keyfile.write_text(KEY + "\n")
    ways = [(KEY, {}), (f"file:{keyfile}", {}), ("env:SOME_KEY", {"SOME_KEY": KEY})]
    outs = [made("--anonymize", key, "--out", "-", plain, env=env).stdout for key, env in ways]
    assert outs[0] == outs[1] == outs[2] != plain.read_bytes()
    assert made("--anonymize", KEY + "!", "--out", "-", plain).stdout != outs[0]


def test_a_mapping_is_the_same_in_every_file(plain, tmp_path):
    """Cut first or anonymize first: names and addresses are the same."""
    whole, cut = tmp_path / "whole.pcap", tmp_path / "cut.pcap"
    made("--anonymize", KEY, "--out", whole, plain)
    made("--cut", "10s..", "--out", cut, whole)
    assert made("--anonymize", KEY, "--cut", "10s..", "--out", "-", plain).stdout == \
        cut.read_bytes()


def test_what_cannot_be_anonymized_is_left_out_and_counted(tmp_path):
    good = ethernet(udp(CLIENT % 1, 999, SERVERS[0], 53, message(1, "a.example.org").to_wire()))
    bad = [good[:12] + b"\x08\x06" + good[14:],                                     # ARP
           ethernet(udp(CLIENT % 1, 999, SERVERS[0], 53, b"no message at all")),
           ethernet(udp(CLIENT % 1, 999, SERVERS[0], 80, b"GET / HTTP/1.1")),
           good[:23] + b"\x2f" + good[24:]]                                         # GRE
    path, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
    path.write_bytes(pcap([(i, p) for i, p in enumerate([good, *bad, good])]))
    done = made("--anonymize", KEY, "--out", out, path)
    assert len(records(out)[0]) == 2
    said = done.stderr.decode().splitlines()
    assert said[0] == "6 packets read, 2 written"
    assert said[1] == "left out, as they couldn't be anonymized:"
    assert [line.split(":")[0].split() for line in said[2:]] == [
        ["1", "not_ip"], ["1", "other"], ["1", "port"], ["1", "message"]]
    done = made("--anonymize", KEY, "--port", 999, "--port", 80, "--out", out, path)
    assert b"port: neither" not in done.stderr


def test_all_at_once(plain, tmp_path):
    """Merged, cut, filtered, shifted and anonymized in one go is what it is one after the other."""
    packets = [(t, ethernet(p)) for t, p in traffic()]
    paths = [tmp_path / "0.pcap", tmp_path / "1.pcap"]
    for i, path in enumerate(paths):
        path.write_bytes(pcap(packets[i::2]))
    steps = [["--merge", *paths], ["--cut", "2s..12s"], ["--filter", "udp"],
             ["--anonymize", KEY], ["--start", "@5"]]
    source = []
    for i, step in enumerate(steps):
        out = tmp_path / f"step{i}.pcap"
        made("--out", out, *step, *source)
        source = [out]
    at_once = tmp_path / "once.pcap"
    made("--out", at_once, "--merge", "--cut", "2s..12s", "--filter", "udp", "--anonymize", KEY,
         *paths)
    times = [t for t, _ in records(at_once)[0]]
    assert [p for _, p in records(at_once)[0]] == [p for _, p in records(source[0])[0]]
    assert [t - times[0] for t in times] == [t - 5 * 10**9 for t, _ in records(source[0])[0]]


# ---- mistakes and failures ----

@pytest.mark.parametrize("args,said", [
    (["--out", "x"], "evenkeel: pcap: no capture given: see evenkeel pcap --help"),
    (["IN"], "evenkeel: pcap: --out FILE says where to write to"),
    (["--out", "x", "IN", "IN"],
     "evenkeel: pcap: several captures are put together with --merge"),
    (["--out", "x", "--port", "54", "IN"], "evenkeel: pcap: --port belongs to --anonymize"),
    (["--out", "x", "--keep", "net", "IN"], "evenkeel: pcap: --keep belongs to --anonymize"),
    (["--out", "x", "--keep", "a..b", "IN"],
     "evenkeel pcap: --keep a..b: expected a domain name"),
    (["--out", "x", "--cut", "5s", "IN"],
     "evenkeel pcap: --cut 5s: expected FROM..TO with FROM before TO, such as 90s..2m, "
     "@1700000000.. or ..2026-11-27T06:00:00Z"),
    (["--out", "x", "--cut", "5s..4s", "IN"],
     "evenkeel pcap: --cut 5s..4s: expected FROM..TO with FROM before TO, such as 90s..2m, "
     "@1700000000.. or ..2026-11-27T06:00:00Z"),
    (["--out", "x", "--start", "5s", "IN"],
     "evenkeel pcap: --start 5s: expected @SECONDS or a date such as 2026-11-27T06:00:00Z, "
     "before 2106"),
    (["--out", "x", "--start", "@4294967296", "IN"],
     "evenkeel pcap: --start @4294967296: expected @SECONDS or a date such as "
     "2026-11-27T06:00:00Z, before 2106"),
    (["--out", "x", "--start", "2026-02-31T06:00:00Z", "IN"],
     "evenkeel pcap: --start 2026-02-31T06:00:00Z: expected @SECONDS or a date such as "
     "2026-11-27T06:00:00Z, before 2106"),
    (["--out", "x", "--cut", "5s..@3", "IN"],
     f"evenkeel pcap: --cut: the first packet is of @{START}.000000000: expected FROM before TO"),
    (["--out", "x", "--anonymize", "short", "IN"],
     "evenkeel pcap: --anonymize: the key has 5 bytes: expected at least 16"),
    (["--out", "x", "--anonymize", "file:/nonexistent", "IN"],
     "evenkeel pcap: --anonymize file:/nonexistent: No such file or directory"),
    (["--out", "x", "--anonymize", "env:NO_SUCH_KEY", "IN"],
     "evenkeel pcap: --anonymize env:NO_SUCH_KEY: no such variable"),
    (["--out", "/nonexistent/x", "IN"],
     "evenkeel pcap: --out /nonexistent/x: No such file or directory"),
    (["--out", "x", "/nonexistent"], "evenkeel pcap: /nonexistent: No such file or directory"),
])
def test_a_mistake_is_said_in_one_line_and_nothing_is_written(plain, tmp_path, args, said):
    args = [str(plain) if a == "IN" else str(tmp_path / a) if a == "x" else a for a in args]
    done = run(*args)
    assert (done.returncode, done.stdout, done.stderr.decode()) == (2, b"", said + "\n")
    assert not list(tmp_path.iterdir())


def test_a_filter_that_does_not_compile_leaves_nothing_behind(plain, tmp_path):
    done = run("--filter", "port fifty-three", "--out", tmp_path / "x", plain)
    assert done.returncode == 2 and not list(tmp_path.iterdir())
    assert done.stderr.startswith(b"evenkeel pcap: --filter port fifty-three: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("packets", ["none", "cut", "two links, cut"])
def test_a_filter_must_compile_even_where_no_packet_comes_to_it(plain, tmp_path, packets):
    empty, cooked, out = (tmp_path / n for n in ("empty", "cooked", "out.pcap"))
    empty.write_bytes(pcap([]))
    cooked.write_bytes(pcap([(t, cooked2(p)) for t, p in traffic()], 276))
    out.write_bytes(b"was here")
    source = {"none": [empty], "cut": ["--cut", "90s..", plain],
              "two links, cut": ["--merge", "--cut", "90s..", plain, cooked]}[packets]
    done = run("--filter", "zzz qq", "--out", out, *source)
    assert done.returncode == 2 and out.read_bytes() == b"was here"
    assert done.stderr.startswith(b"evenkeel pcap: --filter zzz qq: ")
    assert done.stderr.count(b"\n") == 1
    for good in ["ether multicast", "port 53"] + (["ifindex 3"] if packets != "cut" else []):
        made("--filter", good, "--out", out, *source)
        assert not records(out)[0]


def test_an_input_is_never_written_over(plain, tmp_path):
    path, link = tmp_path / "in.pcap", tmp_path / "link.pcap"
    path.write_bytes(plain.read_bytes())
    os.link(path, link)
    for out in (path, link):
        done = run("--out", out, path)
        assert done.returncode == 2 and b"is also a capture to be read" in done.stderr
    with open(path, "rb") as f:
        done = subprocess.run([ek.program("evenkeel"), "pcap", "--out", path, "-"], stdin=f,
                              capture_output=True, timeout=60, check=False)
    assert done.returncode == 2 and path.read_bytes() == plain.read_bytes()


def test_what_was_there_stays_until_the_new_one_is_whole(plain, tmp_path):
    out = tmp_path / "out.pcap"
    out.write_bytes(b"was here")
    assert run("--filter", "nonsense", "--out", out, plain).returncode == 2
    assert out.read_bytes() == b"was here"
    made("--out", out, plain)
    assert out.read_bytes() == plain.read_bytes() and os.listdir(tmp_path) == ["out.pcap"]


def test_a_full_disk_is_a_failure_and_leaves_nothing(plain):
    done = run("--out", "/dev/full", plain)
    assert done.returncode == 2
    assert done.stderr == b"evenkeel pcap: --out /dev/full: No space left on device\n"


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_removes_what_was_begun(plain, tmp_path, sign):
    out = tmp_path / "out.pcap"
    with subprocess.Popen([ek.program("evenkeel"), "pcap", "--out", out, "-"],
                          stdin=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        p.stdin.write(plain.read_bytes())
        p.stdin.flush()
        ek.wait_until(lambda: os.listdir(tmp_path), "a file that is begun")
        p.send_signal(sign)
        p.stdin.close()
        assert p.wait(timeout=20) == -sign
    assert not os.listdir(tmp_path)


def test_a_capture_that_is_cut_off_is_written_as_far_as_it_goes(plain, tmp_path):
    path, out = tmp_path / "cut.pcap", tmp_path / "out.pcap"
    path.write_bytes(plain.read_bytes()[:-5])
    done = made("--out", out, path)
    assert len(records(out)[0]) == 469 and b"cut off in the middle of a record" in done.stderr


def test_memory_does_not_grow_with_the_capture():
    script = ("import resource, subprocess, sys\n"
              "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)\n"
              "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n")

    def peak(times):
        one = pcap([(t, ethernet(p)) for t, p in traffic()])
        done = subprocess.run(["/usr/bin/python3", "-c", script, ek.program("evenkeel"), "pcap",
                               "--anonymize", KEY, "--out", "-", "-"],
                              input=one + one[24:] * times, capture_output=True, timeout=120,
                              check=True)
        return int(done.stdout)
    assert peak(500) - peak(10) < 4096
