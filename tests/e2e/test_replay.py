# SPDX-License-Identifier: BSD-3-Clause
"""evenkeel replay against servers on loopback: every query of the capture arrives once, over its
transport and connection, as it was; the summary is what the server saw; mistakes are one line."""
import collections
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading

import dns.message
import pytest

import ek
from traffic import CLIENT, SERVERS, ethernet, message, pcap, tcp, traffic, udp

HOSTS = ["127.0.0.1", "::1"]


class Server:
    """Keeps each query that it gets and answers it: with its own bytes and QR set. Over TCP a
    connection's queries are a list of their own; close_after of them it ends the connection."""

    def __init__(self, host, answers=True, close_after=None):
        self.host, self.answers, self.close_after = host, answers, close_after
        self.udp, self.connections = [], []
        self.datagrams, self.listener = ek.wait_until(self.bind, "a port that both can have")
        self.port = self.datagrams.getsockname()[1]
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def bind(self):
        """Sockets on one port, or None when somebody else has the port for TCP."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        datagrams = socket.socket(family, socket.SOCK_DGRAM)
        listener = socket.socket(family, socket.SOCK_STREAM)
        datagrams.bind((self.host, 0))
        try:
            listener.bind(datagrams.getsockname())
        except OSError:
            datagrams.close()
            listener.close()
            return None
        listener.listen(1000)
        return datagrams, listener

    @property
    def to(self):
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def answer(self, query):
        return query[:2] + bytes([query[2] | 0x80]) + query[3:]

    def serve_udp(self):
        while True:
            try:
                query, peer = self.datagrams.recvfrom(65535)
            except OSError:
                return
            self.udp.append(query)
            if self.answers:
                self.datagrams.sendto(self.answer(query), peer)

    def serve_tcp(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve_connection, args=[connection], daemon=True).start()

    def serve_connection(self, connection):
        queries = []
        self.connections.append(queries)
        with connection, connection.makefile("rb") as stream:
            while self.close_after is None or len(queries) < self.close_after:
                head = stream.read(2)
                if len(head) < 2:
                    return
                queries.append(stream.read(struct.unpack("!H", head)[0]))
                if self.answers:
                    try:
                        connection.sendall(head + self.answer(queries[-1]))
                    except ConnectionError:
                        return

    def close(self):
        self.datagrams.close()
        self.listener.close()


@pytest.fixture
def serve():
    running = []

    def begin(host="127.0.0.1", **how):
        running.append(Server(host, **how))
        return running[-1]
    yield begin
    for s in running:
        s.close()


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    """200 queries in 20 s, every tenth over TCP."""
    path = tmp_path_factory.mktemp("replay") / "capture.pcap"
    path.write_bytes(pcap([(t, ethernet(p)) for t, p in traffic()]))
    return path


def framed(query):
    return struct.pack("!H", len(query)) + query


def replay(*args, stdin=None):
    return subprocess.run([ek.program("evenkeel"), "replay", *map(str, args)], input=stdin,
                          stdin=subprocess.DEVNULL if stdin is None else None,
                          capture_output=True, timeout=60, check=False)


def doc_of(*args, status=0):
    done = replay("--json", *args)
    assert (done.returncode, done.stderr) == (status, b""), done.stderr
    return json.loads(done.stdout)


def captured(over_tcp):
    """The queries of traffic(), as bytes."""
    return [message(i, f"n{i % 7}.example.org", "AAAA" if i % 5 == 0 else "A").to_wire()
            for i in range(200) if (i % 10 == 1) == over_tcp]


def without_id(queries):
    return collections.Counter(q[2:] for q in queries)


# ---- what arrives ----

@pytest.mark.parametrize("host", HOSTS)
def test_every_query_arrives_once_as_it_was(serve, capture, host):
    server = serve(host)
    doc = doc_of("--to", server.to, "--speed", 50, capture)
    assert sorted(server.udp) == sorted(captured(False))
    assert sorted(server.connections) == sorted([q] for q in captured(True))
    r = doc["result"]
    assert (r["sent"], r["sent_tcp"], r["connections"]) == (200, 20, 20)
    assert (r["answered"], r["unanswered"], r["rcodes"]) == (200, 0, {"NOERROR": 200})
    assert (r["renumbered"], r["unmatched"], r["stopped"]) == (0, 0, False)
    assert doc["planned_ns"] == 20_000_000_000 // 50
    assert r["sending_ns"] >= 19_900_000_000 // 50  # never before its time
    assert all(r[t]["p50"] <= r[t]["max"] for t in ("answer_ns", "late_ns"))


def test_flags_edns_and_case_are_kept(serve, tmp_path):
    query = dns.message.make_query("MiXeD.eXample.ORG", "TXT", id=4711, use_edns=0, payload=1400,
                                   want_dnssec=True)
    query.flags |= dns.flags.CD
    path = tmp_path / "one.pcap"
    path.write_bytes(pcap([(0, ethernet(udp(CLIENT % 1, 999, SERVERS[0], 53,
                                            query.to_wire())))]))
    server = serve()
    doc_of("--to", server.to, path)
    assert server.udp == [query.to_wire()]


def test_loops_send_everything_again(serve, capture):
    server = serve()
    r = doc_of("--to", server.to, "--speed", 200, "--loop", 3, capture)["result"]
    assert without_id(server.udp) == without_id(captured(False) * 3)
    assert sorted(q[2:] for c in server.connections for q in c) == sorted(
        q[2:] for q in captured(True) * 3)
    assert (r["sent"], r["answered"], r["connections"]) == (600, 600, 60)


@pytest.mark.parametrize("host", HOSTS)
def test_as_fast_as_may_be_every_query_arrives_too(serve, capture, host):
    server = serve(host)
    doc = doc_of("--to", server.to, "--speed", "max", "--in-flight", 7, "--loop", 5, capture)
    assert without_id(server.udp) == without_id(captured(False) * 5)
    assert (doc["result"]["answered"], doc["speed"], doc["in_flight"]) == (1000, "max", 7)
    assert doc["result"]["late_ns"] is None


def connection_of(n, port, gap):
    """Packets of one connection with n queries."""
    seq, packets = 101, [(0, tcp(CLIENT % 1, port, SERVERS[0], 53, 100, 2))]
    for i in range(n):
        data = framed(message(i, f"q{i}.example.org").to_wire())
        packets.append((i * gap, tcp(CLIENT % 1, port, SERVERS[0], 53, seq, 24, data)))
        seq += len(data)
    return packets


def test_queries_of_one_connection_share_one_and_keep_their_order(serve, tmp_path):
    path = tmp_path / "tcp.pcap"
    packets = connection_of(20, 1000, 0.01) + connection_of(10, 2000, 0.015)
    path.write_bytes(pcap([(t, ethernet(p)) for t, p in sorted(packets, key=lambda p: p[0])]))
    server = serve()
    r = doc_of("--to", server.to, path)["result"]
    assert sorted(len(c) for c in server.connections) == [10, 20]
    for queries in server.connections:
        assert queries == [message(i, f"q{i}.example.org").to_wire() for i in range(len(queries))]
    assert (r["answered"], r["connections"]) == (30, 2)


def test_a_connection_that_the_server_ends_is_opened_again(serve, tmp_path):
    path = tmp_path / "tcp.pcap"
    path.write_bytes(pcap([(t, ethernet(p)) for t, p in connection_of(12, 1000, 0.05)]))
    server = serve(close_after=3)
    r = doc_of("--to", server.to, path)["result"]
    assert [len(c) for c in server.connections] == [3, 3, 3, 3]
    assert (r["answered"], r["connections"], r["failed"]) == (12, 4, 0)


def test_it_understands_the_stub_s_answers(start, capture):
    port = ek.free_port(*HOSTS)
    stub = start(ek.program("recursor-stub"), "--stub-miss=0", "--local-address=127.0.0.1, ::1",
                 f"--local-port={port}", notify=True)
    stub.wait_ready()
    for to in (f"127.0.0.1:{port}", f"[::1]:{port}"):
        r = doc_of("--to", to, "--speed", 100, capture)["result"]
        assert (r["sent"], r["answered"], r["unmatched"]) == (200, 200, 0)


# ---- less than all ----

def test_limit_takes_the_capture_s_first(serve, capture):
    server = serve()
    assert doc_of("--to", server.to, "--speed", 50, "--limit", 17, capture)["planned"] == 17
    assert sorted(server.udp) == sorted(captured(False)[:15])


def test_server_takes_what_went_there(serve, capture):
    server = serve()
    doc = doc_of("--to", server.to, "--speed", 200, "--server", SERVERS[1], capture)
    assert doc["planned"] == 50 and doc["capture"]["left_out"] == 150


def test_a_filter_takes_what_matches(serve, capture):
    server = serve()
    doc = doc_of("--to", server.to, "--speed", 200, "--filter", "udp and src host 192.0.2.3",
                 capture)
    assert sorted(server.udp) == sorted(captured(False)[i] for i in range(180)
                                        if captured(False)[i][1] % 10 == 2)
    assert doc["planned"] == 20


def test_a_filter_that_is_wrong_is_one_line(capture):
    done = replay("--to", "127.0.0.1", "--filter", "udp and and", capture)
    assert (done.returncode, done.stdout) == (2, b"")
    assert re.fullmatch(r"evenkeel replay: [^\n]*udp and and[^\n]*\n", done.stderr.decode())


def test_a_rate_limit_holds_and_says_what_it_delayed(serve, capture):
    server = serve()
    r = doc_of("--to", server.to, "--speed", 1000, "--rate", 200, capture)["result"]
    assert len(server.udp) == 180 and r["sent"] == 200
    # 20 at once, then 5 ms for each
    assert r["sending_ns"] >= 180 * 5_000_000 and r["delayed"] > 100
    assert r["delayed_ns_max"] > 500_000_000


def test_a_capture_that_is_cut_off_is_sent_as_far_as_it_goes(serve, capture, tmp_path):
    path = tmp_path / "cut.pcap"
    path.write_bytes(capture.read_bytes()[:-5])
    server = serve()
    done = replay("--json", "--to", server.to, "--speed", 200, path)
    assert done.returncode == 0 and json.loads(done.stdout)["result"]["sent"] == 200
    assert re.fullmatch(rf"evenkeel replay: {path}: .*cut off.*: what is before that is sent\n",
                        done.stderr.decode())


def test_what_two_taps_have_both_is_sent_once(serve, capture, tmp_path):
    other = tmp_path / "later.pcap"  # a tap that has everything 300 us later
    other.write_bytes(pcap([(t + 0.0003, ethernet(p)) for t, p in traffic()]))
    server = serve()
    doc = doc_of("--to", server.to, "--speed", 200, capture, other)
    assert sorted(server.udp) == sorted(captured(False))
    assert sorted(q for c in server.connections for q in c) == sorted(captured(True))
    assert (doc["planned"], doc["capture"]["copies"], doc["capture"]["left_out"]) == (200, 180, 0)
    for args in (["--dry-run"], ["--speed", 200]):
        text = replay("--to", server.to, *args, capture, other).stdout.decode()
        assert re.search(r"^copies +180 packets that the capture has twice", text, re.M)


# ---- nobody there ----

def test_what_isn_t_answered_is_said(serve, capture):
    server = serve(answers=False)
    done = replay("--to", server.to, "--speed", 200, "--timeout", 1, capture)
    text = done.stdout.decode()
    assert done.returncode == 0 and len(server.udp) == 180
    assert re.search(r"^answered +0 \(0 %\)$", text, re.M)
    assert re.search(r"^unanswered +200 in time$", text, re.M)


def test_nobody_there(capture):
    r = doc_of("--to", f"127.0.0.1:{ek.free_port()}", "--speed", 200, "--timeout", 1, capture,
               status=1)["result"]
    assert (r["sent"], r["answered"], r["unanswered"], r["failed"]) == (200, 0, 180, 20)
    assert r["refused"] > 0


# ---- people ----

def test_a_summary_says_it_to_people(serve, capture):
    done = replay("--to", serve().to, "--speed", 100, capture)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert re.search(r"^sent +200 in \d+ ms, [\d,]+ a second; over TCP 20 in 20 connections$",
                     text, re.M)
    assert re.search(r"^answered +200 \(100 %\): NOERROR 100 %$", text, re.M)
    for label in ("answer time", "late by"):
        assert re.search(rf"^{label} +p50 \S+ \w+, p90 .*, p99 .*, p99.9 .*, max \S+ \w+$", text,
                         re.M)
    assert len(text.splitlines()) == 4


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(serve, capture):
    server = serve()
    done = replay("--dry-run", "--to", server.to, "--speed", 2, "--loop", 3, capture)
    text = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert re.search(r"^capture +200 queries from 10 addresses in 19\.9\d* s; over TCP 20 in 20 "
                     r"connections$", text, re.M)
    assert re.search(rf"^to send +600 queries to {server.to}, in 3 loops$", text, re.M)
    assert re.search(r"^rate +in 30\.0* s at speed 2: 20 a second on average, at most 2\d in any "
                     r"second$", text, re.M)
    assert re.search(r"^types +A 80 %, AAAA 20 %$", text, re.M)
    assert re.search(r"^first .* 192\.0\.2\.1:20000 +UDP +n0\.example\.org\. AAAA$", text, re.M)
    assert (server.udp, server.connections) == ([], [])


def test_a_dry_run_needs_no_limit(capture):
    doc = doc_of("--dry-run", "--to", "192.0.2.1", capture)
    assert doc["to"] == "192.0.2.1:53" and "result" not in doc


def test_a_terminal_gets_a_progress_bar(serve, capture):
    terminal, slave = os.openpty()
    done = subprocess.run([ek.program("evenkeel"), "replay", "--to", serve().to, "--speed", "20",
                           str(capture)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=slave, timeout=60, check=False)
    os.close(slave)
    text = b""
    try:
        while True:
            text += os.read(terminal, 65536)
    except OSError:  # all is read
        os.close(terminal)
    assert done.returncode == 0 and b"\033" not in done.stdout
    assert re.search(rb"sending \[#*\.*\] +\d+ % .*answered", text)
    assert text.endswith(b"\r\033[K")


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_gives_the_summary_of_what_was_sent(serve, start, capture, sig):
    server = serve()
    run = start(ek.program("evenkeel"), "replay", "--json", "--to", server.to, "--loop", 1000,
                capture)
    ek.wait_until(lambda: len(server.udp) >= 5, "queries")
    assert run.stop(sig) == 1
    r = json.loads(run.output())["result"]
    assert r["stopped"] and 5 <= r["sent"] < 200
    assert r["sent"] == r["answered"] + r["open"]
    ek.wait_until(lambda: len(server.udp) + sum(map(len, server.connections)) == r["sent"],
                  "what the summary says was sent")


# ---- mistakes ----

@pytest.mark.parametrize("args,said", [
    (["--to", "127.0.0.1"], "evenkeel: replay: no capture given: see evenkeel replay --help"),
    (["x.pcap"], "evenkeel: replay: no --to given: expected the server's ADDR[:PORT]"),
    (["--to", "192.0.2.1", "x.pcap"],
     "evenkeel: --to 192.0.2.1: isn't a loopback address: expected --rate N too, how many queries "
     "a second it may get"),
    (["--to", "[2001:db8::1]:53", "--speed", "max", "x.pcap"],
     "evenkeel: --to [2001:db8::1]:53: isn't a loopback address: expected --rate N too, how many "
     "queries a second it may get"),
    (["--to", "localhost", "x.pcap"],
     "evenkeel: --to localhost: expected ADDR, ADDR:PORT or [ADDR]:PORT of one server"),
    (["--to", "0.0.0.0", "x.pcap"],
     "evenkeel: --to 0.0.0.0: expected ADDR, ADDR:PORT or [ADDR]:PORT of one server"),
    (["--to", "224.0.0.1", "--rate", "1", "x.pcap"],
     "evenkeel: --to 224.0.0.1: expected ADDR, ADDR:PORT or [ADDR]:PORT of one server"),
    (["--to", "[ff02::1]", "--rate", "1", "x.pcap"],
     "evenkeel: --to [ff02::1]: expected ADDR, ADDR:PORT or [ADDR]:PORT of one server"),
    (["--to", "127.0.0.1:0", "x.pcap"],
     "evenkeel: --to 127.0.0.1:0: expected ADDR, ADDR:PORT or [ADDR]:PORT of one server"),
    (["--to", "::1", "--speed", "0", "x.pcap"],
     "evenkeel: --speed 0: expected max, or a number 0.000001...1000000"),
    (["--to", "::1", "--speed", "1x", "x.pcap"],
     "evenkeel: --speed 1x: expected max, or a number 0.000001...1000000"),
    (["--to", "::1", "--speed", "99999999999999999999", "x.pcap"],
     "evenkeel: --speed 99999999999999999999: expected max, or a number 0.000001...1000000"),
    (["--to", "::1", "--rate", "0", "x.pcap"],
     "evenkeel: --rate 0: expected a whole number 1...100000000"),
    (["--to", "::1", "--loop", "-1", "x.pcap"],
     "evenkeel: --loop -1: expected a whole number 1...1000000000"),
    (["--to", "::1", "--server", "there", "x.pcap"],
     "evenkeel: --server there: expected an address or ADDR/BITS"),
    (["--to", "::1", "/nonexistent.pcap"],
     "evenkeel replay: /nonexistent.pcap: No such file or directory"),
])
def test_a_mistake_is_said_in_one_line(args, said):
    done = replay(*args)
    assert (done.returncode, done.stdout, done.stderr.decode()) == (2, b"", said + "\n")


def test_a_capture_without_queries_is_refused(tmp_path):
    path = tmp_path / "empty.pcap"
    path.write_bytes(pcap([]))
    done = replay("--to", "127.0.0.1", path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert re.fullmatch(r"evenkeel replay: [^\n]+\n", done.stderr.decode())
