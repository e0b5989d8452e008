# SPDX-License-Identifier: BSD-3-Clause
"""The balancer's console: driven by a real dnsdist and by our own client, both ways; and what it
doesn't put up with."""
import base64
import re
import socket
import struct
import subprocess
import threading

import dns.query
import pytest

import ek
from test_balancer import PATIENCE, Balancer, ask, client, free_port, lab, query, server, until

PROGRAM = ek.program("balancer")
KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(32)).decode()


class Console:
    """A balancer with a console, over one or more backends."""

    def __init__(self, the_lab, *backends, key=KEY, more="", flags=()):
        self.port, self.control = free_port("127.0.0.1"), free_port()
        self.config = (f'setLocal("127.0.0.1:{self.port}")\n'
                       f'controlSocket("127.0.0.1:{self.control}")\n' +
                       (f'setKey("{key}")\n' if key else "") + more +
                       "".join(server(b, f"DNS{i}") for i, b in enumerate(backends)))
        self.balancer = the_lab.balancer(self.config, *flags)
        if backends:
            self.balancer.ready()
        self.balancer.said(f"Accepting control connections on 127.0.0.1:{self.control}")

    def say(self, command, program=PROGRAM):
        return say(program, self.balancer.file, command)

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.control), PATIENCE)
        s.settimeout(PATIENCE)
        return s


def say(program, file, command, *flags):
    done = subprocess.run([program, "-C", file, "-e", command, *flags], capture_output=True,
                          text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done
    return done.stdout


def closed(s):
    """True once the other side has closed; what it says before doesn't matter."""
    try:
        while s.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True



@pytest.fixture(params=["balancer", "dnsdist"])
def program(request):
    return PROGRAM if request.param == "balancer" else ek.tool("dnsdist")


def state(text, name):
    """The row of a server in showServers' table."""
    row = next(line for line in text.splitlines() if f" {name} " in line)
    return row.split()


def test_a_server_is_taken_down_and_put_back(lab, program):
    one, two = lab.backend(), lab.backend()
    console = Console(lab, one, two, more="setServerPolicy(roundrobin)\n")
    with client("127.0.0.1", console.port) as s:
        for _ in range(4):
            ask(s, query())
        assert (len(one.queries), len(two.queries)) == (2, 2)
        assert state(console.say("showServers()", program), "DNS0")[3] == "up"
        assert console.say("getServer(0):setDown()", program) == ""
        console.balancer.said(f"Marking downstream DNS0 ({one.where()}) as 'down'")
        checks = len(one.checks)
        for _ in range(6):
            ask(s, query())
        assert (len(one.queries), len(two.queries)) == (2, 8)
        row = state(console.say("showServers()", program), "DNS0")
        assert row[3] == "DOWN" and row[8] == "2" and row[13] == "1"
        # a probe of the other server later than the command: none has come to this one
        before = len(two.checks)
        until(lambda: len(two.checks) >= before + 2, "the other server's probes")
        assert len(one.checks) <= checks + 1
        console.say("getServer('DNS0'):setAuto()", program)
        up = f"Marking downstream DNS0 ({one.where()}) as 'up'"
        until(lambda: console.balancer.lines.count(up) == 2, "the server's return")
        for _ in range(6):
            ask(s, query())
        assert (len(one.queries), len(two.queries)) == (5, 11)
        row = state(console.say("showServers()", program), "DNS0")
        assert row[3] == "up" and row[13] == "2" and float(row[14]) > 0


def test_a_server_that_never_answered_can_be_forced_up(lab, program):
    one = lab.backend()
    one.silent = True
    console = Console(lab, one)
    assert state(console.say("showServers()", program), "DNS0")[3] == "down"
    console.say("getServer(0):setUp()", program)
    one.silent = False
    with client("127.0.0.1", console.port) as s:
        ask(s, query())
    assert state(console.say("showServers()", program), "DNS0")[3] == "UP"


def test_a_drained_server_is_probed_and_gets_nothing_new(lab, program):
    one, two = lab.backend(), lab.backend()
    console = Console(lab, one, two, more="setServerPolicy(roundrobin)\n")
    console.say("getServer(0):setDrain(true)", program)
    with client("127.0.0.1", console.port) as s:
        for _ in range(4):
            ask(s, query())
        assert (len(one.queries), len(two.queries)) == (0, 4)
        assert state(console.say("showServers()", program), "DNS0")[3] == "drain"
        before = len(one.checks)
        until(lambda: len(one.checks) >= before + 2, "probes of the drained server")
        console.say("getServer(0):setDrain(false)", program)
        for _ in range(4):
            ask(s, query())
    assert (len(one.queries), len(two.queries)) == (2, 6)
    console.balancer.said(f"Draining downstream DNS0 ({one.where()})")
    console.balancer.said(f"Downstream DNS0 ({one.where()}) takes queries again")


def test_what_a_drained_server_has_is_finished(lab):
    one, two = lab.backend(), lab.backend()
    console = Console(lab, one, two, more="setServerPolicy(roundrobin)\nsetUDPTimeout(60)\n")
    good = one.answer
    one.answer = lambda data: good(data) if b"\x0croot-servers" in data else b"no answer"
    with client("127.0.0.1", console.port) as s:
        for qid in range(2):
            s.send(query(qid=qid).to_wire())
        until(lambda: one.queries and two.queries, "a query at each server")
        assert s.recv(4096)[:2] in (b"\0\0", b"\0\1")
        console.say("getServer(0):setDrain(true)")
        data, peer = one.queries[0]
        one.socket.sendto(good(data), peer)
        assert s.recv(4096)[:2] in (b"\0\0", b"\0\1")
        for _ in range(3):
            ask(s, query())
    assert len(one.queries) == 1
    assert state(console.say("showServers()"), "DNS0")[12] == "0"


def test_a_server_that_is_put_back_starts_slowly(lab, program):
    one, two = lab.backend(), lab.backend()
    console = Console(lab, one, two, more="setServerPolicy(wrandom)\n"
                      "if setSlowStart then setSlowStart(3600) end\n")
    console.say("getServer(0):setDown()", program)
    console.say("getServer(0):setAuto()", program)
    console.balancer.said(f"Downstream DNS0 ({one.where()}) starts slowly, over 3600 s")
    assert state(console.say("showServers()", program), "DNS0")[3] == "slow"
    with client("127.0.0.1", console.port) as s:
        for _ in range(20):
            ask(s, query())
    assert len(two.queries) >= 15


def test_what_the_console_shows(lab, program):
    one = lab.backend()
    console = Console(lab, one, more='setACL({"127.0.0.0/8", "::1"})\n')
    with client("127.0.0.1", console.port) as s:
        for _ in range(5):
            ask(s, query())
    stats = dict(re.findall(r"(\S+)\s*\t\s*(\d+)", console.say("dumpStats()", program)))
    assert stats["queries"] == stats["responses"] == stats["frontend-noerror"] == "5"
    assert stats["rdqueries"] == stats["latency-count"] == "5"
    assert console.say("showACL()", program) == "127.0.0.0/8\n::1/128\n"
    assert "evenkeel" in console.say("showVersion()", program)
    assert "leastOutstanding DNS0 " + one.where() in console.say("showPools()", program)
    assert f"0   127.0.0.1:{console.port} " in console.say("showBinds()", program)
    assert "Nothing is kept" in console.say("topQueries(3)", program)
    assert console.say("getServer(0):getNameWithAddr()", program) == f"DNS0 ({one.where()})\n"
    assert console.say("counter = 3", program) == ""
    assert console.say("counter + 1", program) == "4\n"
    assert console.say("nope()", program).startswith("Error: ")


def test_the_latest_queries_and_answers_are_counted_if_they_are_kept(lab, program):
    one = lab.backend()
    console = Console(lab, one, more="setRingBuffersSize(6)\n", flags=("-w", "1"))
    with client("127.0.0.1", console.port) as s:
        for name in ["old.example.org"] * 3 + ["a.example.org"] * 2 + ["WWW.example.net"] * 3:
            ask(s, query(name))
    with pytest.raises(EOFError):  # the server has no TCP
        dns.query.tcp(query("www.example.net"), "127.0.0.1", PATIENCE, console.port)
    assert console.say("topQueries(1)", program).split() == \
        ["1", "www.example.net.", "4", "66.7%", "2", "Rest", "2", "33.3%"]
    assert console.say("topQueries(5, 1)", program).split()[:8] == \
        ["1", "net.", "4", "66.7%", "2", "org.", "2", "33.3%"]
    assert console.say("topClients()", program).split()[:4] == ["1", "127.0.0.1", "6", "100.0%"]
    assert "a.example.org." in console.say("topResponses(5, 0)", program)
    assert console.say("topResponses(5, 3)", program).split() == ["1", "Rest", "0", "100.0%"]


def test_qps_is_changed_at_run_time(lab):
    one, two = lab.backend(), lab.backend()
    console = Console(lab, one, two, more="setServerPolicy(firstAvailable)\n")
    with client("127.0.0.1", console.port) as s:
        for _ in range(5):
            ask(s, query())
        assert len(two.queries) == 0
        assert console.say("getServer(0):setQPS(1)") == ""
        for _ in range(5):
            ask(s, query())
        assert len(two.queries) >= 3
    assert state(console.say("showServers()"), "DNS0")[5] == "1"


def test_shutdown_ends_the_program(lab, program):
    console = Console(lab, lab.backend())
    subprocess.run([program, "-C", console.balancer.file, "-e", "shutdown()"], timeout=PATIENCE,
                   capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert console.balancer.process.wait(PATIENCE) == 0


@pytest.fixture
def dnsdist(tmp_path, start):
    """A real dnsdist with a console; its configuration."""
    port, control = free_port("127.0.0.1"), free_port()
    file = tmp_path / "real.conf"
    file.write_text(f'setLocal("127.0.0.1:{port}")\nsetSecurityPollSuffix("")\n'
                    f'controlSocket("127.0.0.1:{control}")\nsetKey("{KEY}")\n'
                    'newServer{address="127.0.0.1:9", name="DNS9", useClientSubnet=true}\n')
    p = start(ek.tool("dnsdist"), "--supervised", "--disable-syslog", "-C", file, notify=True)
    p.wait_ready()
    return file, control


def test_our_client_drives_a_real_dnsdist(dnsdist):
    file, control = dnsdist
    assert say(PROGRAM, file, "showVersion()").startswith("dnsdist 1")
    say(PROGRAM, file, "getServer(0):setUp()")
    assert state(say(PROGRAM, file, "showServers()"), "DNS9")[3] == "UP"
    lines = subprocess.run([PROGRAM, "-c", f"127.0.0.1:{control}", "-k", KEY, "-C", "/nonexistent"],
                           input="1+1\n\ngetServer(0)\nquit\n3\n", capture_output=True, text=True,
                           timeout=PATIENCE, check=True)
    assert lines.stdout == "2\nDNS9\n"


def refused(file, *flags):
    done = subprocess.run([PROGRAM, "-C", file, "-e", "showVersion()", *flags], text=True,
                          capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("Fatal error: ") and done.stderr.count("\n") == 1
    return done.stderr


def test_another_key_is_told_apart(lab, dnsdist):
    console = Console(lab, lab.backend())
    assert "another key" in refused(console.balancer.file, "-k", OTHER_KEY)
    assert "another key" in refused(dnsdist[0], "-k", OTHER_KEY)
    assert refused(console.balancer.file, "-k", "c2hvcnQ=").startswith("Fatal error: --setkey")
    assert "evenkeel" in console.say("showVersion()")


def test_a_real_dnsdist_with_another_key_gets_nothing(lab, tmp_path):
    console = Console(lab, lab.backend())
    file = tmp_path / "wrong.conf"
    file.write_text(console.config.replace(KEY, OTHER_KEY))
    assert "evenkeel" not in say(ek.tool("dnsdist"), file, "showVersion()")
    assert "evenkeel" in say(ek.tool("dnsdist"), console.balancer.file, "showVersion()")


def test_without_a_key_every_connection_is_closed(lab):
    console = Console(lab, lab.backend(), key=None)
    assert any("no key has been set" in line for line in console.balancer.lines)
    with console.connect() as s:
        assert s.recv(100) == b"" # not even a nonce
    assert "no key" in refused(console.balancer.file)
    refused(console.balancer.file, "-k", KEY)


@pytest.mark.parametrize("acl, open_", [("192.0.2.0/24", False), ("127.0.0.1", True)])
def test_the_consoles_access_list(lab, acl, open_):
    console = Console(lab, lab.backend(), more=f'setConsoleACL("{acl}")\n')
    if open_:
        assert "evenkeel" in console.say("showVersion()")
    else:
        with console.connect() as s:
            assert closed(s)
        refused(console.balancer.file)


@pytest.mark.parametrize("message", [
    struct.pack(">I", 0x7FFFFFFF), struct.pack(">I", 65536 + 17), struct.pack(">I", 3) + b"abc",
    struct.pack(">I", 16) + bytes(16), struct.pack(">I", 0), b"GET / HTTP/1.1\r\n\r\n",
])
def test_what_isnt_a_message_ends_its_connection_alone(lab, message):
    console = Console(lab, lab.backend())
    with console.connect() as good, console.connect() as s:
        s.sendall(bytes(24) + message)
        assert closed(s)
        assert len(good.recv(24)) == 24
    assert "evenkeel" in console.say("showVersion()")


def test_places_are_limited_and_come_back(lab):
    console = Console(lab, lab.backend(), more="setConsoleMaximumConcurrentConnections(2)\n")
    with console.connect() as a, console.connect() as b:
        assert len(a.recv(24)) == len(b.recv(24)) == 24
        with console.connect() as c:
            assert closed(c)
        refused(console.balancer.file)
    until(lambda: subprocess.run([PROGRAM, "-C", console.balancer.file, "-e", "1"], check=False,
                                 capture_output=True).returncode == 0, "a free place")


def test_without_a_descriptor_left_a_connection_is_closed(lab):
    """Else the console's thread would be told of it again and again, and do nothing else."""
    c = Console(lab)
    assert "balancer" in c.say("showVersion()")
    with ek.no_descriptor_left(c.balancer.process.pid) as leave_none:
        def is_closed():
            with c.connect() as s:
                if s.recv(1) == b"":
                    return True
            leave_none()  # one that was used then is free by now
            return False
        for _ in range(3):
            until(is_closed, "a closed connection")
    assert "balancer" in c.say("showVersion()")


def test_half_open_and_slow_clients_hold_nobody_up(lab):
    one = lab.backend()
    console = Console(lab, one)
    lazy = [console.connect() for _ in range(20)]
    for i, s in enumerate(lazy):
        s.sendall(bytes(24)[:i])
    # one that asks for much and doesn't read it
    reader = subprocess.Popen([PROGRAM, "-C", console.balancer.file, "-c"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    reader.stdin.write(b"string.rep('x', 7000000)\n")
    reader.stdin.flush()
    with client("127.0.0.1", console.port) as s:
        for _ in range(100):
            ask(s, query())
    assert "evenkeel" in console.say("showVersion()")
    assert len(one.queries) == 100
    out, _ = reader.communicate(timeout=PATIENCE)
    assert out == b"x" * 7000000 + b"\n"
    for s in lazy:
        s.close()


def test_a_command_that_takes_long_holds_no_query_up(lab):
    one = lab.backend()
    console = Console(lab, one)
    busy = subprocess.Popen([PROGRAM, "-C", console.balancer.file, "-e", "while true do end"],
                            stdout=subprocess.PIPE, text=True)
    with client("127.0.0.1", console.port) as s:
        while busy.poll() is None:
            ask(s, query())
    assert "takes too long" in busy.stdout.read()
    assert len(one.queries) >= 1


def test_a_server_is_toggled_under_load_and_every_query_is_accounted_for(lab):
    """EK_BIN may be a build with the thread sanitizer: then this is its test of the console."""
    one, two = lab.backend(), lab.backend()
    console = Console(lab, one, two)
    done = threading.Event()
    answered = [0] * 3

    def load(i):
        with client("127.0.0.1", console.port) as s:
            while not done.is_set():
                ask(s, query())
                answered[i] += 1
    threads = [threading.Thread(target=load, args=(i,)) for i in range(3)]
    for t in threads:
        t.start()
    for command in ["getServer(0):setDown()", "showServers()", "getServer(0):setAuto(true)",
                    "dumpStats()", "getServer(0):setUp()", "getServer(1):setQPS(100)"] * 5:
        assert "Error" not in console.say(command)
    done.set()
    for t in threads:
        t.join()
    stats = dict(re.findall(r"(\S+)\s*\t\s*(\d+)", console.say("dumpStats()")))
    assert int(stats["responses"]) == sum(answered)
    assert int(stats["downstream-timeouts"]) == 0
    assert len(one.queries) + len(two.queries) == sum(answered)
    assert console.balancer.process.poll() is None
    console.balancer.process.terminate()
    assert console.balancer.process.wait(PATIENCE) == 0
    assert "WARNING: ThreadSanitizer" not in console.balancer.process.stderr.read()


@pytest.mark.parametrize("config, line", [
    ('setKey("abc")', "f.conf:1: setKey: expected 32 bytes in base64, as makeKey() prints them"),
    ('controlSocket("x")', "f.conf:1: controlSocket: 'x': expected an IP address, or one with a "
     "port"),
    ('setConsoleACL("10.0.0.0/99")', "f.conf:1: setConsoleACL: '10.0.0.0/99': expected an IP "
     "address, or one with /BITS"),
    ("setConsoleMaximumConcurrentConnections(0)", "f.conf:1: "
     "setConsoleMaximumConcurrentConnections: '0': expected a whole number from 1 to 1000"),
])
def test_a_wrong_setting_is_one_line(tmp_path, config, line):
    (tmp_path / "f.conf").write_text(config)
    done = subprocess.run([PROGRAM, "--check-config", "-C", "f.conf"], cwd=tmp_path, text=True,
                          capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, f"Fatal Lua error: {line}\n")
