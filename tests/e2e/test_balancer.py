# SPDX-License-Identifier: BSD-3-Clause
"""The program balancer on loopback, between real clients and backends made here in Python."""
import os
import re
import signal
import socket
import subprocess
import threading
import time

import dns.flags
import dns.message
import dns.rcode
import pytest

import ek
from ek import free_port

PROGRAM = ek.program("balancer")
PATIENCE = 10  # seconds until a condition that must come counts as missing
FLAGS = []     # of every balancer; test_balancer_io.py sets them

def have_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not have_ipv6(), reason="no IPv6 on loopback here")


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def text(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    pytest.fail(f"waited {PATIENCE} s for {what}")


class Backend:
    """Answers every query by itself, and remembers those that aren't health checks."""

    def __init__(self, address="127.0.0.1", port=0):
        self.address, self.port = address, port
        self.queries, self.checks, self.silent = [], [], False
        self.start()

    def start(self):
        self.socket = socket.socket(family(self.address), socket.SOCK_DGRAM)
        self.socket.bind((self.address, self.port))
        self.port = self.socket.getsockname()[1]
        self.running = True
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        self.socket.settimeout(0.05)
        while self.running:
            try:
                data, peer = self.socket.recvfrom(4096)
            except socket.timeout:
                continue
            check = b"\x0croot-servers" in data
            (self.checks if check else self.queries).append((data, peer))
            if not self.silent:
                self.socket.sendto(self.answer(data), peer)
        self.socket.close()

    def answer(self, data):
        return data[:2] + bytes([data[2] | 0x84, 0x80]) + data[4:]

    def stop(self):
        self.running = False
        self.thread.join()

    def where(self):
        return text(self.address, self.port)


class Balancer:
    def __init__(self, folder, config, *flags):
        self.file = folder / "dnsdist.conf"
        self.file.write_text(config)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = str(folder / "n")
        self.notify.bind(path)
        self.notify.settimeout(PATIENCE)
        self.lines = []
        self.process = subprocess.Popen(
            [PROGRAM, "--supervised", "-C", self.file, *FLAGS, *flags], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env={**os.environ, "NOTIFY_SOCKET": path})
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def ready(self):
        try:
            assert self.notify.recv(100) == b"READY=1"
        except TimeoutError:
            self.process.kill()
            raise AssertionError(f"not ready after {PATIENCE} s: {self.lines}, "
                                 f"{self.process.stderr.read()}") from None
        return self

    def said(self, line):
        until(lambda: line in self.lines, f"the line {line!r} in {self.lines}")

    def stop(self):
        self.process.terminate()
        status = self.process.wait(PATIENCE)
        self.reader.join()
        return status

    def counters(self):
        """Asks for the counters and returns them by name."""
        at = len(self.lines)
        self.process.send_signal(signal.SIGUSR1)
        until(lambda: any(line.startswith("wakeups ") for line in self.lines[at:]), "counters")
        return {m[1]: int(m[2]) for m in (re.match(r"([a-z-]+) +(\d+) ", line)
                                          for line in self.lines[at:]) if m}


@pytest.fixture
def lab(tmp_path):
    """Starts balancers and backends, and ends them with the test."""
    class Lab:
        parts = []

        def backend(self, *args):
            self.parts.append(Backend(*args))
            return self.parts[-1]

        def balancer(self, config, *flags):
            folder = tmp_path / str(len(self.parts))
            folder.mkdir()
            b = Balancer(folder, config, *flags)
            self.parts.append(b)
            return b

    made = Lab()
    made.parts = []
    yield made
    for part in made.parts:
        part.stop()


def server(backend, name, more=""):
    return f'newServer{{address="{backend.where()}", name="{name}"{more}}}\n'


def query(name="www.example.org", qid=None, **kwargs):
    q = dns.message.make_query(name, "A", **kwargs)
    if qid is not None:
        q.id = qid
    return q


def client(address, port):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.settimeout(PATIENCE)
    s.connect((address, port))
    return s


def ask(s, q):
    s.send(q.to_wire())
    return dns.message.from_wire(s.recv(4096))


@pytest.mark.parametrize("address", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)])
def test_a_query_is_forwarded_and_its_answer_comes_back_with_its_id(lab, address):
    one, port = lab.backend(address), free_port(address)
    lab.balancer(f'setLocal("{text(address, port)}")\n' + server(one, "DNS1")).ready()
    with client(address, port) as s:
        for qid in (1, 0xABCD, 65535):
            a = ask(s, query(qid=qid, use_edns=0))
            assert a.id == qid and a.rcode() == dns.rcode.NOERROR
            assert a.flags & dns.flags.RD and not a.flags & dns.flags.CD
    assert len(one.queries) == 3


def test_ids_towards_the_servers_are_random(lab):
    one, port = lab.backend(), free_port("127.0.0.1")
    lab.balancer(f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1")).ready()
    with client("127.0.0.1", port) as s:
        for _ in range(200):
            assert ask(s, query(qid=7)).id == 7
    ids = [int.from_bytes(data[:2], "big") for data, _ in one.queries]
    steps = {(b - a) % 65536 for a, b in zip(ids, ids[1:])}
    assert len(set(ids)) > 190 and len(steps) > 190


def test_wrandom_spreads_queries_over_both_servers(lab):
    one, two, port = lab.backend(), lab.backend(), free_port("127.0.0.1")
    lab.balancer(f'setLocal("127.0.0.1:{port}")\nsetServerPolicy(wrandom)\n'
                 + server(one, "DNS1") + server(two, "DNS3"), "--workers", "2").ready()
    for _ in range(10):
        with client("127.0.0.1", port) as s:
            for _ in range(40):
                ask(s, query())
    assert len(one.queries) + len(two.queries) == 400
    assert 130 < len(one.queries) < 270  # wrong by chance once in 10^11


def test_every_query_of_a_burst_is_answered_from_several_sockets(lab):
    one, port = lab.backend(), free_port("127.0.0.1")
    lab.balancer(f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1", ", sockets=8"),
                 "-w", "1").ready()
    with client("127.0.0.1", port) as s:
        for i in range(150):
            s.send(query(f"n{i}.example.org", qid=i).to_wire())
        ids = {dns.message.from_wire(s.recv(4096)).id for _ in range(150)}
    assert ids == set(range(150))
    assert len({peer for _, peer in one.queries}) == 8


def test_a_dead_server_is_marked_down_and_back_up(lab):
    one, two, port = lab.backend(), lab.backend(), free_port("127.0.0.1")
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\nsetServerPolicy(wrandom)\n'
                     + server(one, "DNS1") + server(two, "DNS3")).ready()
    b.said(f"Marking downstream DNS1 ({one.where()}) as 'up'")
    b.said(f"Marking downstream DNS3 ({two.where()}) as 'up'")
    two.stop()
    b.said(f"Marking downstream DNS3 ({two.where()}) as 'down'")
    before = len(one.queries)
    with client("127.0.0.1", port) as s:
        for _ in range(50):
            ask(s, query())
        assert len(one.queries) == before + 50
        at = len(b.lines)
        two.queries.clear()
        two.start()
        until(lambda: f"Marking downstream DNS3 ({two.where()}) as 'up'" in b.lines[at:], "up")
        for _ in range(50):
            ask(s, query())
    assert two.queries


def test_a_slow_start_is_told_from_its_beginning_to_its_end(lab):
    one, two, port = lab.backend(), lab.backend(), free_port("127.0.0.1")
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\nsetServerPolicy(wrandom)\n'
                     + server(one, "DNS1") + server(two, "DNS3", ", slowStart=1")).ready()
    two.stop()
    b.said(f"Marking downstream DNS3 ({two.where()}) as 'down'")
    two.start()
    b.said(f"Downstream DNS3 ({two.where()}) starts slowly, over 1 s")
    b.said(f"Downstream DNS3 ({two.where()}) has its whole share")
    assert not [line for line in b.lines if "DNS1" in line and "slowly" in line]


def test_each_probe_has_a_source_port_and_an_id_of_its_own(lab):
    one, port = lab.backend(), free_port("127.0.0.1")
    lab.balancer(f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1")).ready()
    until(lambda: len(one.checks) >= 3, "three probes")
    assert len({peer[1] for _, peer in one.checks[:3]}) > 1
    assert len({data[:2] for data, _ in one.checks[:3]}) > 1
    assert all(data[2] & 1 and data[10:12] == b"\0\0" for data, _ in one.checks)  # RD, no EDNS


def test_a_server_that_is_down_at_the_start_is_marked_so(lab):
    port, dead = free_port("127.0.0.1"), free_port("127.0.0.1")
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\nnewServer("127.0.0.1:{dead}")\n').ready()
    b.said(f"Marking downstream 127.0.0.1:{dead} as 'down'")


def test_servers_forced_up_are_used_without_a_probe(lab):
    one, port = lab.backend(), free_port("127.0.0.1")
    one.silent = True
    lab.balancer(f'setLocal("127.0.0.1:{port}")\nnewServer("{one.where()}"):setUp()\n').ready()
    with client("127.0.0.1", port) as s:
        s.send(query().to_wire())
        until(lambda: one.queries, "the query")
    assert not one.checks


def test_without_a_server_nothing_is_answered_unless_asked_for(lab):
    port, dead = free_port("127.0.0.1"), free_port("127.0.0.1")
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\nnewServer("127.0.0.1:{dead}")\n').ready()
    with client("127.0.0.1", port) as s:
        s.send(query().to_wire())
        until(lambda: b.counters()["no-policy"] == 1, "the drop")
        s.setblocking(False)
        with pytest.raises(BlockingIOError):
            s.recv(4096)


def test_servfail_when_there_is_no_server_if_the_file_says_so(lab):
    port, dead = free_port("127.0.0.1"), free_port("127.0.0.1")
    lab.balancer(f'setLocal("127.0.0.1:{port}")\nnewServer("127.0.0.1:{dead}")\n'
                 "setServFailWhenNoServer(true)\n").ready()
    with client("127.0.0.1", port) as s:
        a = ask(s, query(qid=99, use_edns=0))
        assert a.id == 99 and a.rcode() == dns.rcode.SERVFAIL and a.edns == 0
        assert ask(s, query()).edns == -1


def test_servfail_on_timeout_if_the_file_says_so(lab):
    one, port = lab.backend(), free_port("127.0.0.1")
    one.silent = True
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\nsetUDPTimeout(1)\n'
                     f'newServer("{one.where()}"):setUp()\nsetServFailOnTimeout(true)\n').ready()
    with client("127.0.0.1", port) as s:
        for qid, edns in ((99, 0), (98, -1)):
            q = query(qid=qid, use_edns=edns)
            a = ask(s, q)
            assert a.id == qid and a.rcode() == dns.rcode.SERVFAIL and a.edns == edns
            assert a.question == q.question
        data, peer = one.queries[0]
        one.socket.sendto(one.answer(data), peer)
        until(lambda: b.counters()["unmatched"] == 1, "the late answer")
        s.setblocking(False)
        with pytest.raises(BlockingIOError):
            s.recv(4096)
    counters = b.counters()
    assert counters["servfail-timeouts"] == 2 and counters["timeouts"] == 2


def test_an_unanswered_query_is_tried_at_another_server_if_the_file_says_so(lab):
    one, two, port = lab.backend(), lab.backend(), free_port("127.0.0.1")
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\nsetUDPRetry(100)\n'
                     'setServerPolicy(roundrobin)\n'
                     f'newServer("{one.where()}"):setUp()\n'
                     f'newServer("{two.where()}"):setUp()\n').ready()
    one.silent = True
    with client("127.0.0.1", port) as s:
        for qid in range(4):
            assert ask(s, query(qid=qid)).rcode() == dns.rcode.NOERROR
        until(lambda: len(one.queries) == 2 and len(two.queries) == 4, "two tries of two")
        for data, peer in one.queries:
            one.socket.sendto(one.answer(data), peer)
        until(lambda: b.counters()["late"] == 2, "the late answers")
        s.setblocking(False)
        with pytest.raises(BlockingIOError):
            s.recv(4096)
    counters = b.counters()
    assert counters["retries"] == 2 and counters["timeouts"] == 0
    assert counters["outstanding"] == 0


def test_many_timeouts_at_once_are_all_told(lab):
    one, port = lab.backend(), free_port("127.0.0.1")
    one.silent = True
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\nsetUDPTimeout(1)\n'
                     f'newServer("{one.where()}"):setUp()\nsetServFailOnTimeout(true)\n',
                     "-w", "1").ready()
    # more than a worker takes in one pass; of several clients, as a socket holds some 250
    clients = [client("127.0.0.1", port) for _ in range(6)]
    for s in clients:
        for qid in range(100):
            s.send(query(qid=qid).to_wire())
    for s in clients:
        with s:
            got = {int.from_bytes(s.recv(4096)[:2], "big") for _ in range(100)}
            assert got == set(range(100))
    assert b.counters()["servfail-timeouts"] == 600


def test_clients_outside_of_the_acl_hear_nothing(lab):
    one, port = lab.backend(), free_port("127.0.0.1")
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\nsetACL("127.0.0.9")\n'
                     + server(one, "DNS1")).ready()
    with client("127.0.0.1", port) as s:
        s.send(query().to_wire())
        until(lambda: b.counters()["acl-drops"] == 1, "the drop")
    assert not one.queries
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.9", 0))
        s.settimeout(PATIENCE)
        s.connect(("127.0.0.1", port))
        assert ask(s, query()).rcode() == dns.rcode.NOERROR


def test_the_command_line_replaces_binds_and_acl(lab):
    one, port, other = lab.backend(), free_port("127.0.0.1"), free_port("127.0.0.1")
    b = lab.balancer(f'setLocal("127.0.0.1:{other}")\nsetACL("192.0.2.0/24")\n'
                     + server(one, "DNS1"), "-l", f"127.0.0.1:{port}", "-a", "127.0.0.0/8").ready()
    with client("127.0.0.1", port) as s:
        assert ask(s, query()).rcode() == dns.rcode.NOERROR
    b.said(f"Listening on 127.0.0.1:{port}")
    assert f"Listening on 127.0.0.1:{other}" not in b.lines
    assert "ACL allowing queries from: 127.0.0.0/8" in b.lines


def test_a_wildcard_bind_answers_from_the_asked_address(lab):
    one, port = lab.backend(), free_port("0.0.0.0")
    lab.balancer(f'setLocal("0.0.0.0:{port}")\n' + server(one, "DNS1")).ready()
    for asked in ("127.0.0.1", "127.0.0.7", "127.1.2.3"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(PATIENCE)
            s.sendto(query().to_wire(), (asked, port))
            assert s.recvfrom(4096)[1] == (asked, port)


@needs_ipv6
def test_wildcards_of_both_families_and_a_concrete_bind_go_together(lab):
    one, port = lab.backend("::1"), free_port("0.0.0.0", "::")
    lab.balancer(f'setLocal("0.0.0.0:{port}")\naddLocal("[::]:{port}")\n'
                 f'addLocal("127.0.0.3:{port}")\n' + server(one, "DNS1")).ready()
    for asked in ("127.0.0.1", "127.0.0.3", "::1"):
        with client(asked, port) as s:  # connected: only answers from there are heard
            assert ask(s, query()).rcode() == dns.rcode.NOERROR


def test_answers_that_match_nothing_do_not_reach_a_client(lab):
    class Liar(Backend):
        def answer(self, data):
            good = super().answer(data)
            if b"\x0croot-servers" in data:
                return good
            self.socket.sendto(bytes([good[0] ^ 1]) + good[1:], self.queries[-1][1])
            name = good.replace(b"\x03www", b"\x03xxx")
            self.socket.sendto(name, self.queries[-1][1])
            return good

    one, port = Liar(), free_port("127.0.0.1")
    lab.parts.append(one)
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1")).ready()
    with client("127.0.0.1", port) as s:
        a = ask(s, query())
        assert str(a.question[0].name) == "www.example.org."
        s.setblocking(False)
        with pytest.raises(BlockingIOError):
            s.recv(4096)
    counters = b.counters()
    assert counters["wrong-question"] == 1 and counters["unmatched"] == 1
    assert counters["forwarded"] == counters["answered"] == 1


def test_a_query_that_nobody_answers_times_out(lab):
    one, port = lab.backend(), free_port("127.0.0.1")
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\nsetUDPTimeout(1)\n'
                     + server(one, "DNS1", ", maxCheckFailures=200")).ready()
    one.silent = True
    with client("127.0.0.1", port) as s:
        s.send(query().to_wire())
        until(lambda: b.counters()["outstanding"] == 1, "the query on its way")
        until(lambda: b.counters()["timeouts"] == 1, "the time-out")
    assert b.counters()["outstanding"] == 0


def seeded_ids(lab, seed):
    one, port = lab.backend(), free_port("127.0.0.1")
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1"),
                     "--simulation-seed", str(seed), "--workers", "1").ready()
    with client("127.0.0.1", port) as s:
        for _ in range(20):
            ask(s, query())
    b.stop()
    assert "--simulation-seed" in b.process.stderr.read()
    return [data[:2] for data, _ in one.queries]


def test_a_simulation_seed_repeats_ids_and_warns(lab):
    first = seeded_ids(lab, 42)
    assert seeded_ids(lab, 42) == first
    assert seeded_ids(lab, 43) != first


def test_sigterm_ends_it_at_once(lab):
    one, port = lab.backend(), free_port("127.0.0.1")
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1"), "-v").ready()
    start = time.monotonic()
    assert b.stop() == 0
    assert time.monotonic() - start < 0.5
    assert b.notify.recv(100) == b"STOPPING=1"
    assert any(line.startswith("forwarded ") for line in b.lines)  # -v: counters at the end


def test_an_address_in_use_is_an_error(lab):
    one, port = lab.backend(), free_port("127.0.0.1")
    config = f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1")
    lab.balancer(config).ready()
    b = lab.balancer(config)
    assert b.process.wait(PATIENCE) == 1
    assert b.process.stderr.read() == (
        f"Fatal error: can't listen on 127.0.0.1:{port}: Address already in use\n")


def run(*args):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=PATIENCE,
                          check=False)


def test_check_config_says_ok_and_binds_nothing():
    file = ek.SCENARIOS / "blog" / "dnsdist.conf"
    r = run("--check-config", "-C", file, "--supervised")
    assert (r.returncode, r.stdout, r.stderr) == (0, f"Configuration '{file}' OK!\n", "")


CHECKS = [
    ("newServer{", 1, "Fatal Lua error: {}:1: unexpected symbol near '<eof>'\n"),
    ("\nnewServr{}", 1, "Fatal Lua error: {}:2: unknown name 'newServr': did you mean "
                        "'newServer'?\n"),
    ('newServer{address="192.0.2.1", weight=0}', 0,
     "Error creating new server: downstream weight value must be greater than 0.\n"
     "Configuration '{}' OK!\n"),
    ('newServer{address="192.0.2.1", weight=2147483648}', 0,
     "Error creating new server: downstream weight value must be between 1 and 2147483647\n"
     "Configuration '{}' OK!\n"),
]


@pytest.mark.parametrize("config,status,said", CHECKS)
def test_check_config_says_what_is_wrong(tmp_path, config, status, said):
    file = tmp_path / "f.conf"
    file.write_text(config)
    r = run("-C", file, "--check-config")
    assert (r.returncode, r.stdout) == (status, said.format(file))


@pytest.mark.parametrize("args,said", [
    (["--nonsense"], "unrecognized option '--nonsense'"),
    (["-l", "localhost"], "Fatal error: --local 'localhost': expected an IP address"),
    (["-a", "1.2.3.4/33"], "Fatal error: --acl '1.2.3.4/33': expected an IP address"),
    (["--workers", "0"], "Fatal error: --workers '0': expected a number from 1 to 64"),
    (["--simulation-seed", "x"], "Fatal error: --simulation-seed 'x': expected a whole number"),
    (["127.0.0.1"], "Fatal error: argument '127.0.0.1': expected only flags"),
    (["-C"], "requires an argument"),
    (["-e", "1", "-k", "x", "-C", "/nonexistent"], "Fatal error: --setkey: expected 32 bytes in "
                                                   "base64"),
    (["-c", "localhost"], "Fatal error: --client 'localhost': expected an IP address"),
    (["-e", "1", "-C", "/nonexistent"], "Fatal Lua error: /nonexistent: No such file"),
    (["-C", "/nonexistent"], "Fatal error: Unable to read configuration from '/nonexistent': "
                             "No such file or directory"),
])
def test_a_wrong_command_line_is_one_line_and_status_1(args, said):
    r = run(*args)
    assert r.returncode == 1 and said in r.stderr and len(r.stderr.splitlines()) == 1


def test_help_and_version_exit_0():
    assert "--check-config" in run("--help").stdout
    assert re.match(r"balancer \d+\.\d+\.\d+ \(LuaJIT", run("-V").stdout)


def test_dig_gets_its_answer(lab):
    one, port = lab.backend(), free_port("127.0.0.1")
    lab.balancer(f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1")).ready()
    r = subprocess.run([ek.tool("dig"), "@127.0.0.1", "-p", str(port), "www.example.org"],
                       capture_output=True, text=True, check=True)
    assert "status: NOERROR" in r.stdout
