# SPDX-License-Identifier: BSD-3-Clause
"""The balancer under more than it will ever see: 100,000 queries on their way, a full table of IDs,
thousands of TCP connections, clients that send a byte at a time, servers that die and come back all
the time. It doesn't crash, every answer proves its question, everything that went in is accounted
for on both sides, and nothing is left behind. EK_STRESS=long takes 10,000 connections and 1,000
cycles; EK_BIN may be a build with sanitizers."""
import contextlib
import json
import select
import socket
import struct
import subprocess
import threading

import pytest

import ek
import stress
from stress import LONG, Asker, Holder, answer_all, many_files, resident, wire
from test_balancer import PATIENCE, free_port, lab, server, until  # noqa: F401

MB = 1 << 20


def finish(balancer):
    assert balancer.process.poll() is None
    balancer.process.terminate()
    assert balancer.process.wait(PATIENCE) == 0
    said = balancer.process.stderr.read()
    assert said == "", said


def hold(the_lab, n):
    made = [Holder() for _ in range(n)]
    the_lab.parts.extend(made)
    return made


def ask_all(askers, holders, each, at_once=100):
    """Each asker asks so often; all of it arrives at the servers."""
    asked = sum(len(h.kept) for h in holders)
    for _ in range(each // at_once):
        for a in askers:
            for _ in range(at_once):
                a.ask()
        asked += at_once * len(askers)
        until(lambda: sum(len(h.kept) for h in holders) == asked, f"{asked} queries")


def test_a_hundred_thousand_queries_on_their_way(lab):
    n, port = 100_000, free_port()
    holders = hold(lab, 4)
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\nsetServerPolicy(roundrobin)\n'
                     "setUDPTimeout(600)\n" +
                     "".join(server(h, f"S{i}", ", sockets=2") for i, h in enumerate(holders)),
                     "-w", "2").ready()
    askers = [Asker(port, i * 10_000_000) for i in range(8)]
    held = [resident(b.process.pid)]
    rounds = 3 if LONG else 1
    for _ in range(rounds):
        ask_all(askers, holders, n // len(askers))
        peak = resident(b.process.pid)
        assert peak == 0 or peak > held[0] + 25 * MB
        c = b.counters()
        assert c["outstanding"] == n and c["full"] == c["send-full"] == 0
        answer_all(holders, askers)
        assert not any(a.out for a in askers)
        assert b.counters()["outstanding"] == 0
        # all but the buffers that are used again and again
        until(lambda: resident(b.process.pid) < held[0] + 8 * MB, "the memory is given back")
    c = b.counters()
    assert c["forwarded"] == c["answered"] == rounds * n and c["timeouts"] == c["unmatched"] == 0
    finish(b)


def test_a_full_table_of_ids_drops_and_counts_and_goes_on(lab):
    port = free_port()
    holders = hold(lab, 1)
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\nsetUDPTimeout(600)\n'
                     + server(holders[0], "S0"), "-w", "1").ready()
    askers = [Asker(port, 0), Asker(port, 40_000_000)]
    ask_all(askers[:1], holders, 32_700)
    ask_all(askers[1:], holders, 32_700)
    rest = 65535 - 2 * 32_700
    ask_all(askers[:1], holders, rest, at_once=rest)
    more = Asker(port, 90_000_000)
    for _ in range(500):
        more.ask()
    until(lambda: b.counters()["full"] == 500, "500 that there is no ID for")
    ids = {(data[:2], peer) for data, peer in holders[0].kept}
    assert len(ids) == 65535 == b.counters()["outstanding"]
    answer_all(holders, askers)
    assert more.take() == 0 and not any(a.out for a in askers)
    more.out.clear()
    ask_all([more], holders, 1000)  # it goes on
    answer_all(holders, [more])
    c = b.counters()
    assert c["outstanding"] == 0 and c["forwarded"] == c["answered"] == 65535 + 1000
    finish(b)


class Stream:
    """A client over TCP, without blocking; what it is owed."""

    def __init__(self, port, number):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.settimeout(PATIENCE)
        self.number, self.data = number, b""

    def ask(self):
        self.query = wire(self.number, self.number & 0xffff)
        self.socket.sendall(struct.pack("!H", len(self.query)) + self.query)

    def take(self):
        n = 2 + len(self.query)
        while len(self.data) < n:
            more = self.socket.recv(n - len(self.data))
            assert more, "closed"
            self.data += more
        assert self.data[2:] == stress.answer(self.query)
        self.data, self.number = b"", self.number + 1_000_000


class TcpEcho:
    """A server over TCP that answers at once, all connections in one thread."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.kept, self.asked, self.running = {}, 0, True
        self.poll = select.epoll()
        self.poll.register(self.listener, select.EPOLLIN)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.running:
            for fd, _ in self.poll.poll(0.1):
                if fd == self.listener.fileno():
                    s, _ = self.listener.accept()
                    self.kept[s.fileno()] = (s, bytearray())
                    self.poll.register(s, select.EPOLLIN)
                else:
                    self.read(fd)

    def read(self, fd):
        s, data = self.kept[fd]
        more = b""
        with contextlib.suppress(OSError):
            more = s.recv(65536)
        if not more:
            self.poll.unregister(fd)
            s.close()
            del self.kept[fd]
            return
        data += more
        while len(data) >= 2 and len(data) >= 2 + (data[0] << 8 | data[1]):
            n = 2 + (data[0] << 8 | data[1])
            q = bytes(data[2:n])
            del data[:n]
            self.asked += 1
            s.sendall(struct.pack("!H", len(q)) + stress.answer(q))

    def where(self):
        return f"127.0.0.1:{self.port}"

    def stop(self):
        self.running = False
        self.thread.join()
        self.listener.close()
        for s, _ in self.kept.values():
            s.close()


def test_ten_thousand_tcp_connections_and_clients_of_a_byte_a_time(lab):
    n, slow_n = (10_000 if LONG else 3_000), 100
    many_files(n + 5000)  # the clients', and the servers' of those that ask at once
    echo, port = TcpEcho(), free_port()
    lab.parts.append(echo)
    b = lab.balancer(
        f'setLocal("127.0.0.1:{port}", {{maxInFlight=4}})\nsetTCPRecvTimeout(4)\n'
        f'newServer{{address="{echo.where()}", name="S0", maxInFlight=100}}:setUp()\n',
        "-w", "2").ready()
    held = []
    for again in range(2):
        streams = [Stream(port, i) for i in range(n)]
        slow = [Stream(port, 0) for _ in range(slow_n)]
        part = iter(wire(5, 5) * 40)
        for first in range(0, n, 500):
            byte = bytes([next(part)])
            for s in slow:  # a message that never becomes whole
                with contextlib.suppress(OSError):
                    s.socket.send(b"\x40" if first == 0 else byte)
            for s in streams[first:first + 500]:
                s.ask()
            for s in streams[first:first + 500]:
                s.take()
        c = b.counters()
        assert c["tcp-clients"] >= n and c["tcp-outstanding"] == 0
        until(lambda: b.counters()["tcp-client-timeouts"] >= slow_n * (again + 1), "the slow")
        for s in streams + slow:
            s.socket.close()
        until(lambda: b.counters()["tcp-clients"] == 0, "an end of all")
        held.append(resident(b.process.pid))
    c = b.counters()
    assert c["tcp-forwarded"] == c["tcp-answered"] == echo.asked == 2 * n
    assert c["tcp-failed"] == c["tcp-abandoned"] == c["tcp-retries"] == 0
    assert held[1] < held[0] + 4 * MB, held
    finish(b)


class Flapper:
    """A server over UDP that answers at once, and is gone and back as the test says. What it was
    sent and never read, because it was gone, nobody counts."""

    def __init__(self):
        self.port, self.answered = free_port(), 0
        self.lock = threading.Lock()
        self.socket, self.running = None, True
        self.come()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def come(self):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("127.0.0.1", self.port))
        s.settimeout(0.002)
        self.socket = s

    def go(self):
        with self.lock:
            self.socket.close()
            self.socket = None

    def run(self):
        while self.running:
            with self.lock:
                if self.socket is None:
                    continue
                with contextlib.suppress(socket.timeout):
                    data, peer = self.socket.recvfrom(512)
                    self.socket.sendto(stress.answer(data), peer)
                    self.answered += b"root-servers" not in data

    def where(self):
        return f"127.0.0.1:{self.port}"

    def stop(self):
        self.running = False
        self.thread.join()


def test_a_thousand_deaths_and_returns_under_load(lab):
    """Real sockets that close and open again under load, faster than any health check."""
    cycles = 1000 if LONG else 300
    one, two, port = Flapper(), Flapper(), free_port()
    lab.parts.extend([one, two])
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\nsetServerPolicy(roundrobin)\n'
                     "setUDPTimeout(1)\n" + server(one, "S0") + server(two, "S1"),
                     "-w", "2").ready()
    before = resident(b.process.pid)
    askers = [Asker(port, i * 10_000_000) for i in range(4)]
    got = 0
    for i in range(cycles):
        (one if i % 2 else two).go()
        for a in askers:
            for _ in range(5):
                a.ask()
        got += sum(a.take() for a in askers)
        with (one if i % 2 else two).lock:
            (one if i % 2 else two).come()
        got += sum(a.take() for a in askers)
    until(lambda: b.counters()["outstanding"] == 0, "nothing on its way")

    def come():  # what is no longer outstanding may not have been sent yet
        nonlocal got
        got += sum(a.take() for a in askers)
        return got == b.counters()["answered"]
    until(come, "what was answered")
    c = b.counters()
    asked = sum(a.next % 10_000_000 for a in askers)
    assert asked == 20 * cycles
    assert c["forwarded"] + c["no-policy"] == asked
    assert c["answered"] == got == asked - sum(len(a.out) for a in askers)
    assert c["forwarded"] == c["answered"] + c["timeouts"]
    assert one.answered + two.answered == got > cycles
    assert resident(b.process.pid) < before + 8 * MB
    said = [line for line in b.lines if line.startswith("Marking")]
    assert len(said) >= 2
    b.process.terminate()
    assert b.process.wait(PATIENCE) == 0


def test_a_thousand_deaths_that_are_noticed_in_virtual_time(tmp_path):
    """Killed and started again in virtual time, so that checks find each; what the judge says comes
    from the packets on both sides of the balancer, as does every query's fate."""
    cycles = 1000 if LONG else 200
    (tmp_path / "b.conf").write_text(
        'setLocal("0.0.0.0:53")\naddACL("0.0.0.0/0")\n'
        'newServer{address="192.0.2.3", name="DNS1"}\nnewServer{address="192.0.2.4", '
        'name="DNS3"}\nsetServerPolicy(wrandom)\n')
    (tmp_path / "r.conf").write_text("allow-from=0.0.0.0/0\nlocal-address=0.0.0.0\n")
    faults = "".join(f'at "{6 * i + 2}s" {{ kill = "{who}" }}\nat "{6 * i + 5}s" '
                     f'{{ start = "{who}" }}\n'
                     for i in range(cycles) for who in ["DNS1" if i % 2 else "DNS3"])
    (tmp_path / "s.lua").write_text(
        'lab { balancers = { LB1 = { "192.160.102.2" }, config = "b.conf" },\n'
        'recursors = { "DNS1", "DNS3", config = "r.conf", miss = "5ms" },\n'
        'clients = { net = "192.160.102.128/25", count = 20, choose = "per_query" },\n'
        'links = { delay = "50us" } }\n'
        f'load {{ rate = 50, arrivals = "poisson", to = "{6 * cycles + 6}s", '
        'names = zipf(1000), timeout = "5s", tries = 1 }\n'
        + faults +
        'expect { lost { at_most = "model" }, answers { wrong = 0, duplicate = 0 },\n'
        'detect { "DNS1", within = "model" }, detect { "DNS3", within = "model" } }\n')
    out = tmp_path / "run"
    done = subprocess.run([ek.program("evenkeel"), "run", "--engine", "virtual", "--seed", "7",
                           "--pcap", "none", "--out", out, tmp_path / "s.lua"],
                          capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    verdict = json.loads((out / "verdict.json").read_text())
    assert all(e["verdict"] == "PASS" for e in verdict["expectations"])
    lost = next(e for e in verdict["expectations"] if e["kind"] == "lost")["measured"]
    assert len(lost["faults"]) == cycles and all(f["misrouted"] > 0 for f in lost["faults"])
