# SPDX-License-Identifier: BSD-3-Clause
"""evenkeel info with captures that were written by hand and converted by Wireshark's and tcpdump's
tools: what it says is what is in them, whatever the format, and its counts are tshark's."""
import gzip
import io
import json
import os
import re
import struct
import subprocess

import pytest

import ek
from traffic import (CLIENT, SERVERS, START, answered, ethernet, ipv4, message, pcap, tcp, traffic,
                     udp)

EXPECTED = {"queries": 200, "answers": 190, "queries_tcp": 20, "answers_tcp": 20,
            "connections": 20, "answered": 190, "unanswered": 10, "again": 0, "open": 0,
            "unasked": 0}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("info") / "plain.pcap"
    path.write_bytes(pcap([(t, ethernet(p)) for t, p in traffic()]))
    return path


def info(*args, stdin=None):
    return subprocess.run([ek.program("evenkeel"), "info", *map(str, args)], input=stdin,
                          stdin=subprocess.DEVNULL if stdin is None else None,
                          capture_output=True, timeout=60, check=False)


def doc_of(*args, stdin=None):
    done = info("--json", *args, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    return json.loads(done.stdout)


def convert(tool, *args):
    subprocess.run([ek.tool(tool), *map(str, args)], check=True, capture_output=True, timeout=60)


def without_files(doc):
    return {k: v for k, v in doc.items() if k != "files"}


# ---- figures ----

def test_it_says_what_is_in_a_capture(plain):
    doc = doc_of(plain)
    assert EXPECTED.items() <= doc["messages"].items()
    assert doc["types"] == {"A": 160, "AAAA": 40}
    assert doc["rcodes"] == {"NOERROR": 165, "NXDOMAIN": 25}
    assert doc["packets"] == {"all": 180 + 170 + 20 * 6, "read": {"udp": 350, "tcp": 120},
                              "skipped": {}, "lost": {}}
    assert doc["first_unix_ns"] == START * 10**9
    assert doc["clients"]["distinct"] == 10 and doc["names"]["distinct"] == 7
    assert sum(e["count"] for e in doc["names"]["top"]) == 200
    assert sum(doc["rate"]["queries"]) == 200
    servers = {s["server"]: s for s in doc["servers"]["top"]}
    assert {k: v["queries"] for k, v in servers.items()} == {f"{SERVERS[0]}:53": 150,
                                                            f"{SERVERS[1]}:53": 50}
    for server, took in zip(SERVERS, (1_000_000, 3_000_000)):
        times = servers[f"{server}:53"]["answer_ns"]
        assert all(took * 0.98 <= times[q] <= took * 1.02 for q in ("p50", "p90", "p99", "max"))
    assert servers[f"{SERVERS[1]}:53"]["unanswered"] == 10


def test_a_screen_says_it_to_people(plain):
    done = info(plain)
    assert done.returncode == 0 and done.stderr == b""
    text = done.stdout.decode()
    assert len(text.splitlines()) <= 40 and "\033" not in text
    assert re.search(r"^queries +200 \(over TCP 20, in 20 connections\)$", text, re.M)
    assert re.search(r"^unanswered +10 \(5 %\)", text, re.M)
    assert re.search(r"^types +A 80 %, AAAA 20 %$", text, re.M)
    assert re.search(r"198\.51\.100\.1:53 +75 % +0 +1\.0\d ms", text)
    assert re.search(r"n0\.example\.org\.", text)


def test_colours_are_for_terminals(plain):
    terminal, slave = os.openpty()
    done = subprocess.run([ek.program("evenkeel"), "info", plain], stdin=subprocess.DEVNULL,
                          stdout=slave, timeout=60, check=False)
    os.close(slave)
    text = b""
    try:
        while True:
            text += os.read(terminal, 65536)
    except OSError:  # all is read
        os.close(terminal)
    assert done.returncode == 0 and b"\033[1mqueries" in text


def test_a_capture_of_one_direction_tells_of_names_too(tmp_path):
    path = tmp_path / "answers.pcap"
    path.write_bytes(pcap([(t, ethernet(p)) for t, p in traffic() if p[:1] and p[12:14] ==
                           ipv4(SERVERS[0])[:2]]))
    doc = doc_of(path)
    assert doc["messages"]["queries"] == 0 and doc["messages"]["unasked"] == 190
    assert doc["names"]["distinct"] == 7 and doc["clients"]["distinct"] == 10


# ---- formats ----

@pytest.mark.parametrize("how", ["pcapng", "nsecpcap", "pcap", "gzip", "stdin", "gzip-stdin"])
def test_every_format_says_the_same(plain, tmp_path, how):
    other, stdin = tmp_path / "other", None
    if how in ("pcapng", "nsecpcap", "pcap"):
        convert("editcap", "-F", how, plain, other)
    elif how == "gzip":
        other.write_bytes(gzip.compress(plain.read_bytes()))
    else:
        stdin = plain.read_bytes()
        stdin, other = gzip.compress(stdin) if how == "gzip-stdin" else stdin, "-"
    assert without_files(doc_of(other, stdin=stdin)) == without_files(doc_of(plain))


def cooked2(packet):
    return struct.pack("!HHIHBB8s", 0x0800, 0, 1, 1, 4, 6, b"\2\0\0\0\0\1\0\0") + packet


@pytest.mark.parametrize("link,head", [(101, lambda p: p), (276, cooked2),
                                       (113, lambda p: b"\0\0\0\1\0\6" + bytes(8) + b"\x08\0" + p),
                                       (0, lambda p: b"\2\0\0\0" + p),
                                       (1, lambda p: ethernet(p)[:12] + b"\x81\0\0\5\x08\0" + p)])
def test_every_link_layer_says_the_same(plain, tmp_path, link, head):
    path = tmp_path / "other.pcap"
    path.write_bytes(pcap([(t, head(p)) for t, p in traffic()], link))
    assert without_files(doc_of(path)) == without_files(doc_of(plain))


def test_interfaces_of_one_file_may_differ(plain, tmp_path):
    """mergecap makes a pcapng file whose interfaces have link layers and clocks of their own: one
    for what goes to the servers, one for what comes from them."""
    paths = []
    for i, (link, head, nano) in enumerate([(1, ethernet, True), (276, cooked2, False)]):
        paths.append(tmp_path / f"{i}.pcap")
        packets = [(t, head(p)) for t, p in traffic() if (p[12:14] == ipv4(SERVERS[0])[:2]) == i]
        paths[-1].write_bytes(pcap(packets, link, nano))
    merged = tmp_path / "merged.pcapng"
    convert("mergecap", "-F", "pcapng", "-w", merged, *paths)
    assert without_files(doc_of(merged)) == without_files(doc_of(plain))


def test_several_files_are_one_capture(plain, tmp_path):
    packets, paths = traffic(), []
    for i in range(3):
        paths.append(tmp_path / f"{i}.pcap")
        paths[-1].write_bytes(pcap([(t, ethernet(p)) for t, p in packets[i::3]]))
    assert without_files(doc_of(*paths)) == without_files(doc_of(plain))


def test_fragments_are_put_together_as_tshark_does(tmp_path):
    name = ".".join(["x" * 60] * 3)
    big = answered(message(9, name)) + bytes(2000)
    whole = udp(SERVERS[0], 53, CLIENT % 1, 999, big)
    pieces = []
    for at in range(0, len(whole) - 20, 800):
        body = whole[20 + at:20 + at + 800]
        more = 0x2000 if 20 + at + 800 < len(whole) else 0
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 77, more | at // 8, 64, 17, 0)
        pieces.append((at / 1e6, ethernet(head + whole[12:20] + body)))
    path = tmp_path / "pieces.pcap"
    path.write_bytes(pcap(pieces[::-1]))
    doc = doc_of(path)
    assert doc["messages"]["answers"] == 1 and doc["packets"]["read"] == {"fragment": 2, "udp": 1}


# ---- tshark ----

def test_its_counts_are_tshark_s(plain):
    done = subprocess.run([ek.tool("tshark"), "-n", "-r", str(plain), "-Y", "dns", "-T", "fields",
                           "-e", "dns.flags.response", "-e", "dns.qry.type", "-e",
                           "dns.flags.rcode", "-e", "ip.src", "-e", "tcp.analysis.retransmission"],
                          capture_output=True, text=True, timeout=60, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    rows = [r for r in rows if not r[4]]  # tshark reads messages of segments that came twice again
    doc = doc_of(plain)
    queries = [r for r in rows if r[0] in ("0", "False")]
    answers = [r for r in rows if r[0] in ("1", "True")]
    assert len(queries) == doc["messages"]["queries"]
    assert len(answers) == doc["messages"]["answers"]
    kinds = {"1": "A", "28": "AAAA"}
    assert {k: sum(kinds[r[1]] == k for r in queries) for k in kinds.values()} == doc["types"]
    assert sum(r[2] == "3" for r in answers) == doc["rcodes"]["NXDOMAIN"]
    assert len({r[3] for r in queries}) == doc["clients"]["distinct"]


# ---- what is wrong ----

@pytest.mark.parametrize("content,said", [
    (b"", "not a capture: expected pcap or pcapng, plain or gzip"),
    (b"hello, world\n" * 100, "not a capture: expected pcap or pcapng, plain or gzip"),
    (b"\x28\xb5\x2f\xfd" + bytes(100), "packed with zstd: expected pcap or pcapng, plain or gzip"),
    (gzip.compress(b"hello, world\n" * 100), "not a capture"),
], ids=["nothing", "text", "zstd", "text-in-gzip"])  # a gzip has the time in it: no name for a test
def test_what_is_no_capture_is_refused_in_one_line(tmp_path, content, said):
    path = tmp_path / "file"
    path.write_bytes(content)
    done = info(path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert re.fullmatch(rf"evenkeel info: {path}: {re.escape(said)}.*\n", done.stderr.decode())


@pytest.mark.parametrize("args,said", [
    (["/nonexistent.pcap"], "evenkeel info: /nonexistent.pcap: No such file or directory"),
    ([], "evenkeel: info: no capture given: see evenkeel info --help"),
    (["--port", "0", "x"], "evenkeel: --port 0: expected a whole number 1...65535"),
])
def test_a_mistake_on_the_command_line_is_said_in_one_line(args, said):
    done = info(*args)
    assert (done.returncode, done.stdout, done.stderr.decode()) == (2, b"", said + "\n")


def test_a_capture_that_is_cut_off_is_read_as_far_as_it_goes(plain, tmp_path):
    path = tmp_path / "cut.pcap"
    path.write_bytes(plain.read_bytes()[:-5])
    doc = doc_of(path)
    assert doc["packets"]["all"] == doc_of(plain)["packets"]["all"] - 1
    assert "cut off in the middle of a record" in doc["files"][0]["trouble"]
    # A long path wraps the line.
    assert b"cut off in the middle of a record" in b" ".join(info(path).stdout.split())


def test_what_is_skipped_is_counted_by_its_cause(tmp_path):
    query = message(1, "a.example.org").to_wire()
    good = udp(CLIENT % 1, 999, SERVERS[0], 53, query)
    packets = [ethernet(good), ethernet(good)[:12] + b"\x08\x06" + good, ethernet(good)[:30],
               ethernet(udp(CLIENT % 1, 999, SERVERS[0], 80, query)),
               ethernet(udp(CLIENT % 1, 999, SERVERS[0], 53, b"short")),
               ethernet(good[:9] + b"\x01" + good[10:])]
    path = tmp_path / "bad.pcap"
    path.write_bytes(pcap([(0, p) for p in packets]))
    doc = doc_of(path)
    assert doc["packets"]["skipped"] == {"not_ip": 1, "ip": 1, "port": 1, "short": 1, "other": 1}
    assert b"neither port is a DNS port" in info(path).stdout
    assert doc_of("--port", 80, path)["packets"]["read"] == {"udp": 1}


# ---- memory ----

def peak_kib(stdin, tmp_path):
    """Peak memory of info with that input, as GNU time would print it."""
    script = ("import resource, subprocess, sys\n"
              "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)\n"
              "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n")
    done = subprocess.run(["/usr/bin/python3", "-c", script, ek.program("evenkeel"), "info", "-"],
                          input=stdin, capture_output=True, timeout=120, check=True)
    return int(done.stdout)


def flood(seconds):
    """Queries with clients, names and ports that never come again, hardly one of them answered; and
    fragments and TCP segments whose rest never comes."""
    out = io.BytesIO()
    out.write(pcap([]))
    query = bytearray(message(1, "abcdefgh.example.org").to_wire())
    n = 0
    for s in range(seconds):
        for i in range(2000):
            n += 1
            query[13:21] = b"%08x" % n
            client = f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
            data = udp(client, 1024 + n % 60000, SERVERS[0], 53, bytes(query))
            if i % 10 == 1:
                data = tcp(client, 1024, SERVERS[0], 53, n, 24, b"\1\0" + bytes(query))
            elif i % 10 == 2:
                data = data[:4] + struct.pack("!HH", n & 65535, 0x2000) + data[8:]
                data = data[:2] + struct.pack("!H", 20 + (len(data) - 20) // 8 * 8) + data[4:]
            out.write(struct.pack("<IIII", START + s, i * 500000, 14 + len(data),
                                  14 + len(data)) + ethernet(data))
    return out.getvalue()


def test_memory_doesn_t_grow_with_the_capture(tmp_path):
    small, large = flood(60), flood(180)
    assert peak_kib(large, tmp_path) <= 1.1 * peak_kib(small, tmp_path)


# ---- documentation ----

def test_the_page_has_the_table_of_counts():
    table = (ek.ROOT / "sim/capture/core/count.def").read_text(encoding="utf-8")
    page = (ek.ROOT / "docs/captures.md").read_text(encoding="utf-8")
    kinds = {"READ": "read", "SKIP": "skipped", "LOST": "lost"}
    rows = re.findall(r'^COUNT\(\w+, (\w+), "(\w+)",((?:\s*"[^"]*")+)\)', table, re.M)
    assert len(rows) > 20
    for kind, name, prose in rows:
        text = "".join(re.findall(r'"([^"]*)"', prose))
        assert f"| {kinds[kind]} | `{name}` | {text} |" in page
