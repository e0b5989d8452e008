# SPDX-License-Identifier: BSD-3-Clause
"""The program recursor-stub on loopback, asked by dnspython, dig and rec_control."""
import os
import re
import socket
import struct
import subprocess
import time

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

import ek
from test_info import CLIENT, SERVERS, ethernet, pcap, udp

PROGRAM = ek.program("recursor-stub")


def have_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not have_ipv6(), reason="no IPv6 on loopback here")


class Stub:
    """A running stub with its port and folder."""

    def __init__(self, start, folder, *args, conf="local-address=127.0.0.1\n"):
        self.port, self.dir = ek.free_port(), folder
        (folder / "recursor.conf").write_text(conf)
        self.process = start(PROGRAM, f"--config-dir={folder}", f"--socket-dir={folder}",
                             f"--local-port={self.port}", *args, notify=True)
        self.process.wait_ready()

    def udp(self, name, rdtype="A", where="127.0.0.1", timeout=5, **more):
        q = dns.message.make_query(name, rdtype, **more)
        return dns.query.udp(q, where, port=self.port, timeout=timeout)

    def tcp(self, name, rdtype="A", where="127.0.0.1", **more):
        q = dns.message.make_query(name, rdtype, **more)
        return dns.query.tcp(q, where, port=self.port, timeout=5)

    def control(self, command):
        """(status, text) of a command over the control socket."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(str(self.dir / "pdns_recursor.controlsocket"))
            s.sendall(struct.pack("=iQ", 0, len(command)) + command.encode())
            got = b""
            while len(got) < 12 or len(got) < 12 + struct.unpack("=iQ", got[:12])[1]:
                part = s.recv(65536)
                assert part, "the answer is cut off"
                got += part
        return struct.unpack("=i", got[:4])[0], got[12:].decode()

    def counters(self):
        return {k: int(v) for k, v in
                (line.split("\t") for line in self.control("get-all")[1].splitlines())}


@pytest.fixture
def stub(start, tmp_path):
    def begin(*args, **more):
        return Stub(start, tmp_path, *args, **more)
    return begin


def silent(stub, **more):
    with pytest.raises(dns.exception.Timeout):
        stub.udp("www.example.com", timeout=0.3, **more)
    return True


@pytest.mark.parametrize("address", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)])
@pytest.mark.parametrize("how", ["udp", "tcp"])
def test_the_answer_is_the_same_however_it_is_asked(stub, address, how):
    s = stub("--stub-miss=1ms", conf="local-address=0.0.0.0, ::\n")
    first = s.udp("www.example.com", "AAAA")
    again = getattr(s, how)("WWW.example.com", "AAAA", where=address)
    assert [r.items for r in again.answer] == [r.items for r in first.answer] != []
    assert str(again.question[0].name) == "WWW.example.com."
    assert again.flags & dns.flags.RA and not again.flags & dns.flags.AA


def test_a_wildcard_bind_answers_from_the_address_that_was_asked(stub):
    s = stub("--stub-miss=5ms", conf="local-address=0.0.0.0\n")
    s.udp("www.example.com", where="127.0.0.77")  # dnspython refuses another source


def test_dig_gets_a_big_answer_over_tcp(stub):
    s = stub("--stub-miss=0")
    dig = [ek.tool("dig"), "@127.0.0.1", "-p", str(s.port), "+tries=1", "+time=5"]
    done = subprocess.run([*dig, "big.example.com", "TXT"], capture_output=True, text=True,
                          timeout=20)
    assert "Truncated, retrying in TCP mode" in done.stdout
    assert len(re.search(r'TXT\s+(".*)', done.stdout).group(1)) > 2000
    ignored = subprocess.run([*dig, "+ignore", "big.example.com", "A"], capture_output=True,
                             text=True, timeout=20).stdout
    assert re.search(r"flags: qr tc rd ra; QUERY: 1, ANSWER: 0", ignored)


def test_a_miss_costs_its_delay_and_a_hit_does_not(stub):
    s = stub("--stub-miss=150ms")
    began = time.monotonic()
    s.udp("www.example.com")
    miss = time.monotonic() - began
    hits = []
    for _ in range(5):
        began = time.monotonic()
        s.udp("www.example.com")
        hits.append(time.monotonic() - began)
    assert miss >= 0.15 > min(hits)
    c = s.counters()
    assert (c["questions"], c["packetcache-hits"], c["packetcache-misses"]) == (6, 5, 1)
    assert (c["cache-hits"], c["cache-misses"], c["all-outqueries"]) == (0, 1, 1)
    assert (c["answers100-1000"], c["noerror-answers"], c["packetcache-entries"]) == (1, 6, 1)


def test_a_health_check_is_answered_at_once(stub):
    s = stub("--stub-miss=30s")
    assert s.udp("a.root-servers.net", timeout=5).answer
    assert s.counters()["cache-hits"] == 1


def test_names_say_what_they_get(stub):
    s = stub("--stub-miss=0")
    assert s.udp("nx.example.com").rcode() == dns.rcode.NXDOMAIN
    nodata = s.udp("nodata.example.com")
    assert nodata.rcode() == dns.rcode.NOERROR and not nodata.answer and nodata.authority
    assert s.udp("ttl7.example.com").answer[0].ttl == 7


def test_allow_from_is_silent_over_udp_and_closes_tcp(stub):
    s = stub("--stub-miss=0", conf="local-address=127.0.0.1\n"
             "allow-from=127.0.0.0/8, !127.0.0.1\n")
    assert silent(s)
    with pytest.raises((EOFError, ConnectionError)):
        s.tcp("www.example.com")
    c = s.counters()
    assert (c["questions"], c["unauthorized-udp"], c["unauthorized-tcp"]) == (0, 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.2", 0))
        other.settimeout(5)
        other.sendto(dns.message.make_query("a.example", "A").to_wire(), ("127.0.0.1", s.port))
        assert dns.message.from_wire(other.recv(4096)).answer


def test_tcp_pipelines_and_answers_out_of_order(stub):
    s = stub("--stub-miss=200ms", "--client-tcp-timeout=1")
    names = ["slow.example", "a.root-servers.net", "slow2.example"]
    with socket.create_connection(("127.0.0.1", s.port), timeout=5) as c:
        for i, name in enumerate(names):
            q = dns.message.make_query(name, "A")
            q.id = i + 1
            wire = q.to_wire()
            c.sendall(struct.pack("!H", len(wire)) + wire)
        ids = [dns.query.receive_tcp(c)[0].id for _ in names]
        assert ids[0] == 2 and sorted(ids) == [1, 2, 3]
        began = time.monotonic()
        assert c.recv(1) == b""  # an idle client is cut off
        assert 0.8 < time.monotonic() - began < 4


def test_tcp_connections_are_bounded(stub):
    s = stub("--max-tcp-clients=2", "--threads=1")
    first = [socket.create_connection(("127.0.0.1", s.port), timeout=5) for _ in range(2)]
    ek.wait_until(lambda: s.counters()["tcp-clients"] == 2, "two connections")
    with socket.create_connection(("127.0.0.1", s.port), timeout=5) as third:
        assert third.recv(1) == b""
    for c in first:
        c.close()
    ek.wait_until(lambda: s.counters()["tcp-clients"] == 0, "no connection")
    assert s.tcp("a.root-servers.net").answer


def test_without_a_descriptor_left_a_connection_is_closed(stub):
    """Else its listener would wake the worker again and again."""
    s = stub("--threads=1")
    with ek.no_descriptor_left(s.process.pid) as leave_none:
        def is_closed():
            leave_none()  # what an earlier connection had is free by now, or soon
            with socket.create_connection(("127.0.0.1", s.port), timeout=5) as c:
                c.settimeout(0.2)
                try:
                    return c.recv(1) == b""
                except TimeoutError:
                    return False  # it was taken: one was free
        for _ in range(3):
            ek.wait_until(is_closed, "a closed connection")
    assert s.tcp("a.root-servers.net").answer


@pytest.mark.parametrize("kind,check", [
    ("servfail 1", lambda s: s.udp("a.example").rcode() == dns.rcode.SERVFAIL),
    ("refuse 1", lambda s: s.udp("a.example").rcode() == dns.rcode.REFUSED),
    ("truncate 1", lambda s: s.udp("a.example").flags & dns.flags.TC),
    ("drop 1", silent),
])
def test_faults_come_and_go_on_command(stub, kind, check):
    s = stub("--stub-miss=0")
    right = s.udp("a.example")
    assert s.control(f"fault {kind}")[0] == 0
    assert check(s)
    assert s.counters()["stub-fault-" + kind.split()[0]] == 1
    assert s.control("fault none") == (0, "no faults\n")
    assert s.udp("a.example").answer == right.answer


def test_wrong_and_slow_answers(stub):
    s = stub("--stub-miss=0")
    right = s.udp("a.example").answer
    s.control("fault wrong 1")
    assert s.udp("a.example").answer != right
    s.control("fault none")
    s.control("fault slow 1 120ms")
    began = time.monotonic()
    assert s.udp("a.example").answer == right
    assert time.monotonic() - began >= 0.12


def test_a_fault_may_spare_a_name(stub):
    s = stub("--stub-miss=0")
    assert s.control("fault servfail 1 spare A.example")[0] == 0
    assert s.udp("a.example").rcode() == dns.rcode.NOERROR
    assert s.udp("b.example").rcode() == dns.rcode.SERVFAIL
    assert s.control("fault slow 1 10ms spare a.example")[0] == 0
    assert s.control("fault servfail 1 spare")[0] == 1
    assert s.control("fault servfail 1")[0] == 0
    assert s.udp("a.example").rcode() == dns.rcode.SERVFAIL


def test_a_fault_of_some_probability_hits_that_often(stub):
    s = stub("--stub-miss=0", "--stub-seed=1", "--threads=1", "--stub-fault=servfail:0.3")
    bad = sum(s.udp("a.example").rcode() == dns.rcode.SERVFAIL for _ in range(300))
    assert 50 < bad < 130  # p 0.3: five sigma
    assert s.counters()["stub-fault-servfail"] == bad


def test_rec_control_of_powerdns_can_talk_to_it(stub):
    s = stub("--stub-miss=0")
    rec_control = [ek.tool("rec_control"), f"--socket-dir={s.dir}"]

    def run(*words):
        done = subprocess.run([*rec_control, *words], capture_output=True, text=True, timeout=20)
        return done.returncode, done.stdout

    s.udp("a.example")
    assert run("ping") == (0, "pong\n")
    assert run("get", "questions", "nosuch") == (0, "1\nUNKNOWN\n")
    assert "questions\t1\n" in run("get-all")[1]
    assert run("wipe-cache", ".")[1] == "wiped 1 records, 0 negative records, 1 packets\n"
    assert run("nosuch")[0] == 1
    assert run("quit-nicely")[0] == 0
    assert s.process.wait() == 0


def test_sigterm_ends_it_at_once(stub):
    s = stub()
    began = time.monotonic()
    assert s.process.stop() == 0
    assert time.monotonic() - began < 1
    assert not (s.dir / "pdns_recursor.controlsocket").exists()


def test_include_dir_appends_and_the_command_line_comes_last(stub, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "10.conf").write_text("allow-from+=127.0.0.2 # one more\n")
    s = stub("--max-cache-ttl=9", conf="local-address=127.0.0.1\nallow-from=10.0.0.0/8\n"
             f"include-dir={tmp_path}/more\nmax-cache-ttl=5\ndnssec=off\nallow-from+=\\\n"
             "  127.0.0.1\nstub-miss=0\n")
    assert s.udp("a.example").answer[0].ttl == 9


@pytest.mark.parametrize("line,message", [
    ("nonsense-key=1", r"recursor\.conf:2: unknown setting 'nonsense-key'"),
    ("two words", r"recursor\.conf:2: 'two words' isn't KEY=VALUE"),
    ("local-port=0", r"expected a number from 1 to 65535"),
    ("threads=many", r"recursor\.conf:2: threads=many: expected a number"),
    ("local-address=127.0.0.300", r"recursor\.conf:2: .*'127\.0\.0\.300' isn't an address"),
    ("allow-from=10.0.0.0/33", r"recursor\.conf:2: .*'10\.0\.0\.0/33' isn't a network"),
    ("disable-packetcache=maybe", r"recursor\.conf:2: .*expected yes or no"),
    ("stub-miss=20", r"recursor\.conf:2: stub-miss=20: expected TIME"),
    ("stub-fault=explode:1", r"recursor\.conf:2: .*expected KIND:PROBABILITY"),
    ("daemon=yes", r"recursor\.conf:2: .*stays in the foreground"),
    ("local-address=192.0.2.99", r"can't listen at 192\.0\.2\.99:\d+: "),
    ("include-dir=/nonexistent", r"recursor\.conf:2: include-dir=/nonexistent: "),
])
def test_a_bad_line_is_fatal_and_named(tmp_path, line, message):
    path = tmp_path / "recursor.conf"
    path.write_text(f"# first\n{line}\n")
    args = [] if line.startswith("local-port") else [f"--local-port={ek.free_port()}"]
    done = subprocess.run([PROGRAM, "--config", str(path), *args], capture_output=True, text=True,
                          timeout=10)
    assert done.returncode == 1
    assert re.search(message, done.stderr) and done.stderr.count("\n") == 1, done.stderr


def test_settings_without_effect_are_listed_with_v(start, tmp_path):
    p = start(PROGRAM, "-v", f"--local-port={ek.free_port()}", "--dnssec=off", "--quiet",
              notify=True)
    p.wait_ready()
    p.wait_line(r"without effect: dnssec quiet$")


def test_every_setting_of_powerdns_is_known(tmp_path):
    done = subprocess.run([ek.tool("pdns_recursor"), "--config=default"], capture_output=True,
                          text=True, timeout=20)
    keys = set(re.findall(r"^# ([a-z0-9-]+)=", done.stdout, re.MULTILINE))
    assert len(keys) > 150
    known = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, timeout=10).stdout
    assert keys - set(re.findall(r"[a-z][a-z0-9-]+", known)) == set()


def test_page_and_help_name_the_same_settings():
    page = (ek.ROOT / "docs" / "recursor-stub.1").read_text(encoding="utf-8")
    known = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, timeout=10).stdout
    in_help = set(re.findall(r"^  --([a-z-]+)=", known, re.MULTILINE))
    assert in_help == set(re.findall(r"^\.It Cm ([a-z-]+)$", page, re.MULTILINE))


def test_room_for_a_million_entries_costs_nothing_until_it_is_used(start, tmp_path):
    stubs = []
    for _ in range(3):
        stubs.append(start(PROGRAM, "--threads=1", f"--local-port={ek.free_port()}",
                           notify=True))
    for p in stubs:
        p.wait_ready()
        with open(f"/proc/{p.pid}/status", encoding="ascii") as f:
            kib = int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))
        assert kib < 20000 or os.environ.get("EK_BIN"), kib  # sanitizers take more


# ---- captured answers ----

def captured(path):
    """A capture of answers that the stub wouldn't make up."""
    packets = []

    def add(t, name, rdtype, *rrsets, flags=0, rcode=0, wait=0.05, **more):
        query = dns.message.make_query(name, rdtype, id=len(packets), **more)
        answer = dns.message.make_response(query)
        answer.flags |= flags
        answer.set_rcode(rcode)
        answer.answer += [dns.rrset.from_text(*r) for r in rrsets]
        packets.append((t, ethernet(udp(CLIENT % 1, 999, SERVERS[0], 53, query.to_wire()))))
        packets.append((t + wait, ethernet(udp(SERVERS[0], 53, CLIENT % 1, 999,
                                               answer.to_wire()))))
    add(0, "www.example.org", "A", ("www.example.org.", 60, "IN", "CNAME", "web.example.org."),
        ("web.example.org.", 120, "IN", "A", "198.51.100.77"), flags=dns.flags.AD)
    add(1, "www.example.org", "A", ("www.example.org.", 60, "IN", "A", "198.51.100.78"),
        want_dnssec=True)
    add(2, "gone.example.org", "AAAA", rcode=dns.rcode.NXDOMAIN, wait=0.3)
    add(3, "big.example.org", "TXT", *[("big.example.org.", 60, "IN", "TXT", f"{i:0200}")
                                       for i in range(10)])
    path.write_bytes(pcap(packets))
    return path


def test_captured_answers_are_given(stub, tmp_path):
    s = stub("--stub-miss=0", f"--stub-answers={captured(tmp_path / 'day.pcap')}")
    answer = s.udp("WWW.example.org")
    assert [r.to_text() for r in answer.answer] == [
        "WWW.example.org. 60 IN CNAME web.example.org.", "web.example.org. 120 IN A 198.51.100.77"]
    assert answer.flags & dns.flags.AD
    assert s.udp("www.example.org", want_dnssec=True).answer[0][0].address == "198.51.100.78"
    assert s.tcp("www.example.org").answer == answer.answer
    gone = s.udp("gone.example.org", "AAAA")
    assert gone.rcode() == dns.rcode.NXDOMAIN and not gone.authority
    assert s.udp("big.example.org", "TXT").flags & dns.flags.TC
    assert len(s.tcp("big.example.org", "TXT").answer[0]) == 10
    # What isn't in the capture is made up.
    assert s.udp("other.example.org").answer[0][0].address.startswith("10.")


def test_a_captured_answer_takes_its_time_once(stub, tmp_path):
    s = stub("--stub-miss=0", f"--stub-answers={captured(tmp_path / 'day.pcap')}",
             "--stub-answer-delays")
    start = time.monotonic()
    s.udp("gone.example.org", "AAAA")
    assert time.monotonic() - start >= 0.3
    s.udp("gone.example.org", "AAAA")
    assert s.counters()["packetcache-hits"] == 1


@pytest.mark.parametrize("content,said", [
    (None, "No such file or directory"), (b"text", "not a capture"),
    (pcap([]), "no answer in it that could be given again"),
])
def test_a_capture_that_gives_no_answers_is_refused(tmp_path, content, said):
    path = tmp_path / "day.pcap"
    if content is not None:
        path.write_bytes(content)
    done = subprocess.run([PROGRAM, "--local-address=127.0.0.1", f"--stub-answers={path}"],
                          capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"recursor-stub: {path}: {said}")
