# SPDX-License-Identifier: BSD-3-Clause
"""Both ways in which a balancer's workers use their sockets do the same; which one is used, and
what happens where the kernel or a device has less."""
import ctypes
import errno
import os
import signal
import socket
import struct
import subprocess
import sys

import dns.message
import pytest

import ek
import test_balancer
import test_balancer_cache
import test_balancer_tcp
from test_balancer import client, lab, query, server, until  # noqa: F401
from test_balancer_tcp import tcp  # noqa: F401

IO_URING_SETUP = 425  # the system call's number on every architecture but Alpha


def missing():
    """Why there is no io_uring here; empty when there is."""
    libc = ctypes.CDLL(None, use_errno=True)
    params = (ctypes.c_uint32 * 30)()
    fd = libc.syscall(IO_URING_SETUP, 4, params)
    if fd < 0:
        return f"no io_uring here: {os.strerror(ctypes.get_errno())}"
    os.close(fd)
    version = tuple(map(int, os.uname().release.split(".")[:2]))
    return "" if version >= (6, 1) else "the kernel's io_uring is too old"


needs_io_uring = pytest.mark.skipif(missing() != "", reason=missing() or "-")
WAYS = ["plain", pytest.param("io_uring", marks=needs_io_uring)]
UDP = [
    test_balancer.test_every_query_of_a_burst_is_answered_from_several_sockets,
    test_balancer.test_a_dead_server_is_marked_down_and_back_up,
    test_balancer.test_without_a_server_nothing_is_answered_unless_asked_for,
    test_balancer.test_servfail_when_there_is_no_server_if_the_file_says_so,
    test_balancer.test_clients_outside_of_the_acl_hear_nothing,
    test_balancer.test_a_wildcard_bind_answers_from_the_asked_address,
    test_balancer.test_wildcards_of_both_families_and_a_concrete_bind_go_together,
    test_balancer.test_answers_that_match_nothing_do_not_reach_a_client,
    test_balancer.test_a_query_that_nobody_answers_times_out,
    test_balancer_cache.test_a_name_is_asked_of_the_server_once,
]
TCP = [
    test_balancer_tcp.test_pipelined_queries_are_answered_out_of_order,
    test_balancer_tcp.test_without_max_in_flight_pipelined_queries_keep_their_order,
    test_balancer_tcp.test_a_client_that_reads_nothing_is_closed,
    test_balancer_tcp.test_a_kept_connection_that_a_server_closed_is_opened_again_unseen,
    test_balancer_tcp.test_a_zone_transfer_passes_message_by_message,
    test_balancer_tcp.test_many_connections_at_once,
]


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    monkeypatch.setattr(test_balancer, "FLAGS", ["--io", request.param])
    return request.param


@pytest.mark.parametrize("test", UDP, ids=lambda t: t.__name__[5:])
def test_over_udp_each_way_does_the_same(lab, way, test):  # noqa: F811
    test(lab)


@pytest.mark.parametrize("test", TCP, ids=lambda t: t.__name__[5:])
def test_over_tcp_each_way_does_the_same(tcp, way, test):  # noqa: F811
    test(tcp)


def start(lab, *flags):  # noqa: F811
    one, port = lab.backend(), ek.free_port("127.0.0.1")
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1"), "-w", "1", *flags)
    return one, port, b


def test_the_counters_say_which_way_is_used(lab, way):  # noqa: F811
    _, _, b = start(lab)
    assert b.ready().counters()["io-uring"] == (way == "io_uring")


@needs_io_uring
def test_io_uring_is_chosen_where_the_kernel_has_it(lab):  # noqa: F811
    _, _, b = start(lab)
    assert b.ready().counters()["io-uring"] == 1


def stop(b):
    """Until it is: each of its threads ends what it does first."""
    b.process.send_signal(signal.SIGSTOP)
    os.waitpid(b.process.pid, os.WUNTRACED)


def send_at_once(b, s, queries):
    """The balancer is stopped meanwhile, and finds them all when it goes on."""
    stop(b)
    for q in queries:
        s.send(q.to_wire())
    b.process.send_signal(signal.SIGCONT)


def names(n):
    """Queries of many lengths; every third is long enough to go alone."""
    return [f"{i}." + ".".join(["x" * 63] * 3 if i % 3 == 0 else ["x" * (i % 7 + 1)])
            for i in range(n)]


def test_queries_that_leave_together_arrive_one_by_one(lab, way):  # noqa: F811
    one, port, b = start(lab)
    b.ready()
    asked = [query(name, qid=i) for i, name in enumerate(names(150))]
    with client("127.0.0.1", port) as s:
        send_at_once(b, s, asked)
        got = {a.id: a for a in (dns.message.from_wire(s.recv(4096)) for _ in asked)}
    assert [got[i].question for i in range(150)] == [q.question for q in asked]
    assert sorted(len(data) for data, _ in one.queries) == sorted(len(q.to_wire()) for q in asked)
    assert b.counters()["joined"] > 50


def unconnected(family):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(10)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return s


@pytest.mark.parametrize("local, asked", [("127.0.0.1", ["127.0.0.1"]), ("[::]", ["::1"]),
                                         ("0.0.0.0", ["127.0.0.1", "127.0.0.2"])])
def test_answers_that_leave_together_go_to_who_asked(lab, way, local, asked):  # noqa: F811
    """And from where he asked. Several clients' queries of several lengths come mixed."""
    if "::1" in asked and not test_balancer.have_ipv6():
        pytest.skip("no IPv6 on loopback")
    port = ek.free_port("127.0.0.1")
    b = lab.balancer(f'setLocal("{local}:{port}")\naddACL("0.0.0.0/0")\naddACL("::/0")\n'
                     'addAction(AllRule(), RCodeAction(5))\n', "-w", "1").ready()
    clients = [unconnected(test_balancer.family(asked[0])) for _ in range(4)]
    stop(b)
    for i, name in enumerate(names(60)):
        for k, s in enumerate(clients):
            s.sendto(query(f"c{k}.{name}", qid=i).to_wire(), (asked[i % len(asked)], port))
    b.process.send_signal(signal.SIGCONT)
    for k, s in enumerate(clients):
        got = {}
        for _ in range(60):
            data, source = s.recvfrom(4096)
            a = dns.message.from_wire(data)
            got[a.id] = (a.question[0].name.to_text(), *source[:2])
        s.close()
        assert got == {i: (f"c{k}.{name}.", asked[i % len(asked)], port)
                       for i, name in enumerate(names(60))}
    assert b.counters()["joined"] > 20  # a pass may have had a few of them only


def test_more_datagrams_than_a_pass_can_take(lab, way):  # noqa: F811
    _, port, b = start(lab)
    b.ready()
    with client("127.0.0.1", port) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        for _ in range(5):
            send_at_once(b, s, [query(f"n{i}.example.org", qid=i) for i in range(150)])
            assert {s.recv(4096)[:2] for _ in range(150)} == \
                {i.to_bytes(2, "big") for i in range(150)}
    c = b.counters()
    assert c["forwarded"] == c["answered"] == 750 and c["outstanding"] == 0


def test_a_datagram_without_a_byte_is_counted_and_the_next_one_read(lab, way):  # noqa: F811
    class Empty(test_balancer.Backend):
        def answer(self, data):
            if b"\x0croot-servers" not in data:
                self.socket.sendto(b"", self.queries[-1][1])
            return super().answer(data)

    one, port = Empty(), ek.free_port("127.0.0.1")
    lab.parts.append(one)
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1"), "-w", "1").ready()
    with client("127.0.0.1", port) as s:
        for i in range(20):
            s.send(b"")
            assert test_balancer.ask(s, query(qid=i)).id == i
    c = b.counters()
    assert (c["short"], c["noncompliant-responses"], c["answered"]) == (20, 20, 20)


def sockets_used(one, port, clients):
    """From how many sockets the server is asked when that many clients ask, each a new name."""
    before = len(one.queries)
    for i in range(clients):
        with client("127.0.0.1", port) as s:
            test_balancer.ask(s, query(f"n{before + i}.example.org"))
    return len({peer for _, peer in one.queries[before:]})


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one processor: one worker")
def test_one_worker_takes_all_until_it_has_much_to_do(lab, way, tmp_path):  # noqa: F811
    """It is kept busy with hits, since what stands behind it is slower."""
    dnsperf = ek.tool("dnsperf")
    names = tmp_path / "names"
    names.write_text("www.example.org A\n")
    one, b, port = test_balancer_cache.start(lab)
    assert sockets_used(one, port, 20) == 1
    load = subprocess.Popen([dnsperf, "-s", "127.0.0.1", "-p", str(port), "-d", names, "-l", "60",
                             "-c", "20", "-q", "1000"], stdout=subprocess.DEVNULL)
    try:
        until(lambda: b.counters()["spreads"] > 0, "more than one worker")
    finally:
        load.kill()
        load.wait()
    until(lambda: sockets_used(one, port, 5) == 1 and sockets_used(one, port, 20) == 1,
          "one worker for all again")


def forbid(number, err):
    """For a child: that system call fails with err (seccomp; PR_SET_NO_NEW_PRIVS first)."""
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | err),
            (0x06, 0, 0, 0x7fff0000)]
    filters = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *c) for c in code))
    libc = ctypes.CDLL(None, use_errno=True)

    def install():
        program = struct.pack("@HP", len(code), ctypes.addressof(filters))
        if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
            raise OSError(ctypes.get_errno(), "seccomp")
    return install


@pytest.fixture
def without_io_uring(monkeypatch):
    """Balancers started by the test may not use io_uring, as in most containers."""
    popen = subprocess.Popen

    def start_without(*args, **kwargs):
        return popen(*args, **kwargs, preexec_fn=forbid(IO_URING_SETUP, errno.EPERM))
    monkeypatch.setattr(test_balancer.subprocess, "Popen", start_without)


def test_without_io_uring_the_plain_way_is_used(lab, without_io_uring):  # noqa: F811
    _, port, b = start(lab)
    assert b.ready().counters()["io-uring"] == 0
    with client("127.0.0.1", port) as s:
        assert test_balancer.ask(s, query(qid=9)).id == 9


def test_io_uring_that_is_asked_for_and_missing_is_one_line(lab, without_io_uring):  # noqa: F811
    _, _, b = start(lab, "--io", "io_uring")
    assert b.process.wait(10) == 1
    assert b.process.stderr.read() == "Fatal error: --io io_uring: Operation not permitted\n"


VETH = """
import ctypes, fcntl, os, signal, socket, struct, subprocess, sys
def ip(*args):
    subprocess.run(["ip", *args], check=True)
ip("link", "set", "lo", "up")
ip("link", "add", "v0", "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", "v1")
ip("address", "add", "192.0.2.1/24", "dev", "v0")
ip("link", "set", "v0", "up")
ip("link", "set", "v1", "up")
ip("neigh", "add", "192.0.2.9", "lladdr", "02:00:00:00:00:02", "dev", "v0")
if sys.argv[1] == "off":
    with socket.socket() as s:  # ETHTOOL_STXCSUM
        value = ctypes.create_string_buffer(struct.pack("II", 0x17, 0), 8)
        fcntl.ioctl(s, 0x8946, struct.pack("16sP16x", b"v0", ctypes.addressof(value)))
wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
wire.bind(("v1", 0x0800))
wire.settimeout(10)
b = subprocess.Popen([sys.argv[2], "--supervised", "-C", sys.argv[3], "-w", "1", "-v", "--io",
                      sys.argv[4]], stdout=subprocess.PIPE, text=True)
for line in b.stdout:
    if line.startswith("ACL"):
        break
def stop():
    b.send_signal(signal.SIGSTOP)
    os.waitpid(b.pid, os.WUNTRACED)
stop()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def ask(q, port=5353):
    if sys.argv[5] == "servers":
        s.sendto(q, ("127.0.0.1", 5300))
        return
    head = struct.pack("!BBHHHBBH4s4s", 69, 0, 28 + len(q), 0, 0, 64, 17, 0,
                       bytes([192, 0, 2, 9]), bytes([192, 0, 2, 1]))
    half = sum(struct.unpack("!10H", head))
    half = (half & 0xffff) + (half >> 16)
    head = head[:10] + struct.pack("!H", ~half & 0xffff) + head[12:]
    wire.sendto(head + struct.pack("!4H", port, 5300, 8 + len(q), 0) + q,
                ("v1", 0x0800, 0, 0, bytes([2, 0, 0, 0, 0, 1])))
def question(i):
    return struct.pack("!6H", i, 256, 1, 0, 0, 0) + b"\\x03n%02d\\0\\0\\1\\0\\1" % i
def gather(n):
    seen, frames = set(), 0
    while len(seen) < n:
        p = wire.recv(65536)
        if p[9] != 17 or p[12:16] != bytes([192, 0, 2, 1]):
            continue
        frames += 1
        for at in range(28, len(p), 21):
            seen.add(p[at + 13:at + 16])
    return seen, frames
if sys.argv[6:]:  # some that can't be answered, and one that can
    for port in 0, 0, 0, 5353:
        ask(question(0), port)
    b.send_signal(signal.SIGCONT)
    gather(1)
    stop()
for i in range(100):
    ask(question(i))
b.send_signal(signal.SIGCONT)
seen, frames = gather(100)
b.terminate()
print(frames, len(seen))
"""


def frames_of(tmp_path, way, offload, whom, *more):
    """How many frames 100 queries, or answers, leave in."""
    ek.tool("unshare"), ek.tool("ip")
    config = tmp_path / "dnsdist.conf"
    config.write_text('setLocal("0.0.0.0:5300")\naddACL("192.0.2.0/24")\n'
                      'newServer{address="192.0.2.9", name="DNS1"}:setUp()\n'
                      + 'addAction(AllRule(), RCodeAction(5))\n' * (whom == "clients"))
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", VETH, offload,
         test_balancer.PROGRAM, config, way, whom, *more], capture_output=True, text=True,
        timeout=60, check=False)
    if "unshare" in done.stderr:
        ek.cant_lab(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    frames, seen = map(int, done.stdout.split())
    assert seen == 100
    return frames


@pytest.mark.parametrize("whom", ["servers", "clients"])
def test_a_device_without_checksums_gets_single_datagrams(tmp_path, way, whom):
    """A veth whose checksums are off refuses what is joined (EIO); with them on it takes it."""
    assert frames_of(tmp_path, way, "off", whom) == 100
    assert frames_of(tmp_path, way, "on", whom) < 50


def test_a_client_that_can_t_be_answered_keeps_nobody_s_answers_apart(tmp_path, way):
    """It asks from port 0, to which the kernel sends nothing, joined or not."""
    assert frames_of(tmp_path, way, "on", "clients", "port 0") < 50
