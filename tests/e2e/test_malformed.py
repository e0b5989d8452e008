# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams and streams that are damaged on purpose, against the real programs: none may end one,
each must end in a counted verdict, and whoever asks properly afterwards is served. The programs are
those built with the address and undefined-behaviour sanitizers where there are such (make
MODE=asan), else the plain ones."""
import os
import random
import re
import select
import signal
import socket
import struct

import dns.message
import pytest

import ek

QUERIES, BURST, SEED = 3000, 50, int(os.environ.get("SEED", "1"))
NAMES = ["www.example.org", "a.root-servers.net", "big.example.com", "nx1.example", ".",
         ".".join(["a" * 60] * 4)]


def program(name):
    built = sorted(ek.ROOT.glob(f"build/asan-*/bin/{name}"), key=lambda p: p.stat().st_mtime)
    return str(built[-1]) if built else ek.program(name)


def message(rng):
    q = dns.message.make_query(rng.choice(NAMES), rng.choice(["A", "TXT", "ANY", "MX", "SOA"]),
                               use_edns=rng.choice([False, 0]))
    q.id = rng.randrange(65536)
    return q.to_wire()


def flip(rng, m):
    for _ in range(rng.randint(1, 4)):
        m[rng.randrange(len(m))] = rng.randrange(256)


def cut(rng, m):
    del m[rng.randrange(len(m)):]


def grow(rng, m):
    m += rng.randbytes(rng.choice([1, 11, 500, 3500, 6000]))


def count(rng, m):
    struct.pack_into("!H", m, rng.choice([4, 6, 8, 10]), rng.choice([0, 1, 2, 255, 65535]))


def point(rng, m):
    """A compression pointer somewhere in the question."""
    at = 12 + rng.randrange(max(1, len(m) - 13))
    struct.pack_into("!H", m, min(at, len(m) - 2), 0xc000 | rng.randrange(len(m) + 4))


def flags(rng, m):
    struct.pack_into("!H", m, 2, rng.randrange(65536))


def damaged(rng, m):
    m = bytearray(m)
    for _ in range(rng.randint(0, 2)):
        if len(m) > 12:
            rng.choice([flip, cut, grow, count, point, flags])(rng, m)
    return bytes(m)


def sanitized(process):
    """No sanitizer has said anything, and the program lives."""
    out = process.output()
    assert process.popen.poll() is None, out
    assert not re.search(r"ERROR: \w+Sanitizer|runtime error:|broken invariant", out), out


def drain(sockets, timeout=0.0):
    """All datagrams that wait, with where they are from; timeout: for the first."""
    got = []
    while True:
        ready, _, _ = select.select(sockets, [], [], timeout)
        if not ready:
            return got
        got += [(s, *s.recvfrom(65535)) for s in ready]
        timeout = 0.0


def right(m):
    """The query as an answer without records."""
    return m[:2] + b"\x81\x80" + m[4:]


def answer(rng, m):
    """What a server gone mad says to a query."""
    if len(m) < 12 or rng.random() < 0.2:
        return damaged(rng, m)
    a = bytearray(m)
    struct.pack_into("!H", a, 2, 0x8180 | rng.choice([0, 0, 0, 2, 3, 5]))
    return bytes(a) if rng.random() < 0.3 else damaged(rng, bytes(a))


class Mad:
    """Servers of the balancer that answer as they like, until they are told to be sane."""

    def __init__(self, rng, n):
        self.rng, self.sent, self.sane = rng, 0, False
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(n)]
        for s in self.sockets:
            s.bind(("127.0.0.1", 0))

    def serve(self, timeout=0.0):
        for s, m, peer in drain(self.sockets, timeout):
            for _ in range(1 if self.sane else self.rng.choice([0, 1, 1, 1, 2])):
                s.sendto(right(m) if self.sane else answer(self.rng, m), peer)
                self.sent += 1

    def config(self):
        return "".join(f'newServer{{address="127.0.0.1:{s.getsockname()[1]}"}}:setUp()\n'
                       for s in self.sockets)

    def close(self):
        for s in self.sockets:
            s.close()


def counters(process):
    """What SIGUSR1 makes the balancer print, by name."""
    before = process.output()
    process.popen.send_signal(signal.SIGUSR1)
    ek.wait_until(lambda: re.search(r"^wakeups ", process.output()[len(before):], re.MULTILINE),
                  "the counters")
    return {m[1]: int(m[2]) for m in re.finditer(r"^([a-z-]+) +(\d+) ",
                                                 process.output()[len(before):], re.MULTILINE)}


VERDICTS = re.findall(r'^VERDICT\(\w+, "([a-z-]+)"',
                      (ek.ROOT / "balancer/core/verdict.def").read_text(encoding="utf-8"), re.M)


def judged(process):
    """How many datagrams have a verdict."""
    c = counters(process)
    return sum(c[v] for v in VERDICTS)


def test_the_balancer_gives_every_damaged_datagram_one_verdict(start, tmp_path):
    rng, port = random.Random(SEED), ek.free_port()
    mad = Mad(rng, 2)
    conf = tmp_path / "dnsdist.conf"
    conf.write_text(f'setLocal("127.0.0.1:{port}")\nsetUDPTimeout(1)\n{mad.config()}')
    p = start(program("balancer"), "--supervised", "-C", conf, "--workers", "2", notify=True)
    p.wait_ready(30)
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
    sent = 0
    while sent < QUERIES:
        for _ in range(BURST):
            rng.choice(clients).sendto(damaged(rng, message(rng)), ("127.0.0.1", port))
        sent += BURST
        mad.serve(0.005)
        drain(clients)
        sanitized(p)

    def all_judged():
        mad.serve(0.01)
        return judged(p) == sent + mad.sent
    ek.wait_until(all_judged, f"{sent} queries and {mad.sent} answers judged: {counters(p)}")
    c = counters(p)
    assert c["forwarded"] == c["answered"] + c["timeouts"] + c["outstanding"]
    assert c["forwarded"] > QUERIES / 4 and c["answered"] > QUERIES / 20
    assert c["broken"] > 0 and c["wrong-question"] + c["noncompliant-responses"] > 0
    assert c["send-failed"] == 0
    ek.wait_until(lambda: counters(p)["outstanding"] == 0, "no query outstanding")
    sanitized(p)
    mad.sane = True
    q = dns.message.make_query("www.example.org", "A")
    clients[0].sendto(q.to_wire(), ("127.0.0.1", port))
    mad.serve(2.0)
    assert any(m[:2] == q.to_wire()[:2] for _, m, _ in drain(clients[:1], 2.0))
    for s in clients:
        s.close()
    mad.close()
    assert p.stop() == 0


def ask_counters(folder):
    """get-all of the stub's control socket."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(folder / "pdns_recursor.controlsocket"))
        s.sendall(struct.pack("=iQ", 0, 7) + b"get-all")
        got = b""
        while part := s.recv(65536):
            got += part
    return {k: int(v) for k, v in (line.split("\t") for line in got[12:].decode().splitlines())}


@pytest.fixture
def stub(start, tmp_path):
    port = ek.free_port()
    (tmp_path / "recursor.conf").write_text("local-address=127.0.0.1\nstub-miss=1ms\n")
    p = start(program("recursor-stub"), f"--config-dir={tmp_path}", f"--socket-dir={tmp_path}",
              f"--local-port={port}", "--threads=2", notify=True)
    p.wait_ready(30)
    yield p, port, tmp_path
    sanitized(p)
    assert p.stop() == 0


DROPS = ["ignored-packets", "source-disallowed-notify", "empty-queries", "client-parse-errors",
         "unauthorized-udp"]


def test_the_stub_counts_every_damaged_datagram(stub):
    p, port, folder = stub
    rng, sent = random.Random(SEED), 0
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
    while sent < QUERIES:
        for _ in range(BURST):
            rng.choice(clients).sendto(damaged(rng, message(rng)), ("127.0.0.1", port))
        sent += BURST
        drain(clients, 0.005)
        sanitized(p)
    ek.wait_until(lambda: sum(ask_counters(folder)[k] for k in ["questions", *DROPS]) == sent,
                  f"{sent} datagrams counted: {ask_counters(folder)}")
    ek.wait_until(lambda: ask_counters(folder)["concurrent-queries"] == 0, "nothing waiting")
    c = ask_counters(folder)
    assert c["questions"] > QUERIES / 4 and c["client-parse-errors"] > 0
    assert c["ignored-packets"] > 0 and c["empty-queries"] > 0
    q = dns.message.make_query("www.example.org", "A")
    clients[0].sendto(q.to_wire(), ("127.0.0.1", port))
    ek.wait_until(lambda: any(m[:2] == q.to_wire()[:2] for _, m, _ in drain(clients[:1], 0.5)),
                  "an answer to a query that is well")
    for s in clients:
        s.close()


def framed(rng):
    """A TCP message whose length may lie."""
    m = damaged(rng, message(rng))
    n = len(m) if rng.random() < 0.7 else rng.choice([0, 1, 11, 65535, len(m) + 1])
    return struct.pack("!H", n) + m


def test_the_stub_survives_damaged_streams(stub):
    p, port, folder = stub
    rng = random.Random(SEED)
    for i in range(300):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
            if i % 10 == 0: # reset in the middle
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            try:
                data = b"".join(framed(rng) for _ in range(rng.randint(1, 5)))
                at = rng.randrange(len(data))
                s.sendall(data[:at])
                s.sendall(data[at:])
                if i % 2:
                    s.shutdown(socket.SHUT_WR)
                    s.settimeout(0.01)
                    s.recv(65535)
            except OSError: # the stub may close at any byte
                pass
    ek.wait_until(lambda: ask_counters(folder)["tcp-clients"] == 0, "connections closed", 20)
    q = dns.message.make_query("www.example.org", "A").to_wire()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(struct.pack("!H", len(q)) + q)
        assert s.recv(65535)[2:4] == q[:2]
