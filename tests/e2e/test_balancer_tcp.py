# SPDX-License-Identifier: BSD-3-Clause
"""The program balancer over TCP: real clients (dig, dnspython, bare sockets), servers made here in
Python, and the recursor stub. Nothing is asserted about time but that things come at all."""
import contextlib
import select
import socket
import struct
import subprocess
import threading

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rdatatype
import dns.rrset
import pytest

import ek
import test_balancer
from test_balancer import PATIENCE, lab, until  # noqa: F401 (lab is a fixture)


def framed(message):
    return struct.pack("!H", len(message)) + message


def receive(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read_message(sock):
    return receive(sock, struct.unpack("!H", receive(sock, 2))[0])


def query(name, rdtype="A", ident=None):
    q = dns.message.make_query(name, rdtype)
    if ident is not None:
        q.id = ident
    return q


class TcpBackend:
    """A server over TCP alone. take(connection, message) is called in each connection's thread, and
    says what to send back; None: nothing; "close": close."""

    def __init__(self, take=None, port=0):
        self.take = take or (lambda conn, m: self.answer(m))
        self.connections, self.messages, self.port = [], [], port
        self.start()

    def start(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        self.listener.listen(64)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                conn, _ = listener.accept()
                self.connections.append(conn)
                threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        with contextlib.suppress(OSError, EOFError):
            while True:
                m = read_message(conn)
                self.messages.append(m)
                back = self.take(conn, m)
                if back == "close":
                    break
                if back is not None:
                    conn.sendall(framed(back))
        conn.close()

    @staticmethod
    def answer(m):
        return m[:2] + bytes([m[2] | 0x84, 0x80]) + m[4:]

    def hang_up(self):
        """Closes every connection, and keeps listening."""
        for c in self.connections:
            with contextlib.suppress(OSError):
                c.shutdown(socket.SHUT_RDWR)
        self.connections.clear()

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.hang_up()

    def where(self):
        return f"127.0.0.1:{self.port}"


@pytest.fixture
def tcp(lab):  # noqa: F811
    """Starts TCP backends, and balancers over them; tcp.ask() and the like use the newest one."""
    class Tcp:
        def backend(self, *args, **more):
            b = TcpBackend(*args, **more)
            lab.parts.append(b)
            return b

        def balancer(self, backends, conf="", options="", keys=""):
            self.port = ek.free_port()
            servers = "".join(f'newServer{{address="{b.where()}", name="S{i}"{keys}}}:setUp()\n'
                              for i, b in enumerate(backends))
            self.it = lab.balancer(f'setLocal("127.0.0.1:{self.port}"{options})\n'
                                   f'{servers}setServerPolicy(roundrobin)\n{conf}', "-w", "2")
            return self.it.ready()

        def connect(self):
            s = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
            s.settimeout(PATIENCE)
            return s

        def ask(self, name="www.example."):
            return dns.query.tcp(query(name), "127.0.0.1", PATIENCE, port=self.port,
                                 ignore_trailing=True)

        def closed(self, s):
            """Waits for the balancer to close the connection; what it sent before."""
            data = b""
            with contextlib.suppress(ConnectionResetError):
                while more := s.recv(65536):
                    data += more
            return data

        def counter(self, name, value):
            return until(lambda: self.it.counters()[name] == value, f"{name} = {value}")
    return Tcp()


def test_an_answer_comes_over_tcp_with_its_own_id(tcp):
    backend = tcp.backend()
    tcp.balancer([backend])
    q = query("WwW.example.", ident=4711)
    a = dns.query.tcp(q, "127.0.0.1", PATIENCE, port=tcp.port)
    assert a.id == 4711 and a.question == q.question
    assert struct.unpack("!H", backend.messages[0][:2])[0] != 4711 or len(backend.messages) > 1
    c = tcp.it.counters()
    assert (c["tcp-forwarded"], c["tcp-answered"], c["tcp-accepted"]) == (1, 1, 1)
    assert (c["tcp-outstanding"], c["forwarded"]) == (0, 0)


def test_dig_is_answered_by_the_stub_over_tcp(tcp, start, tmp_path):
    dig, port = ek.tool("dig"), ek.free_port()
    stub = start(ek.program("recursor-stub"), f"--local-address=127.0.0.1:{port}",
                 "--allow-from=127.0.0.0/8", f"--socket-dir={tmp_path}", notify=True)
    stub.wait_ready()

    class There:
        def where(self):
            return f"127.0.0.1:{port}"
    tcp.balancer([There()])
    done = subprocess.run([dig, "@127.0.0.1", "-p", str(tcp.port), "+tcp", "+tries=1",
                           "www.example.com", "A"], capture_output=True, text=True, timeout=30)
    assert "status: NOERROR" in done.stdout and "(TCP)" in done.stdout, done.stdout


def test_queries_on_one_connection_are_spread_and_backends_connections_kept(tcp):
    backends = [tcp.backend(), tcp.backend()]
    tcp.balancer(backends)
    with tcp.connect() as s:
        for i in range(20):
            s.sendall(framed(query(f"n{i}.example.").to_wire()))
            assert dns.message.from_wire(read_message(s)).question[0].name.to_text() == \
                f"n{i}.example."
    assert [len(b.messages) for b in backends] == [10, 10]
    assert [len(b.connections) for b in backends] == [1, 1]


def test_pipelined_queries_are_answered_out_of_order(tcp):
    gate = threading.Event()

    def take(conn, m):
        if b"\x04slow" in m:
            gate.wait(PATIENCE)
        return TcpBackend.answer(m)
    tcp.balancer([tcp.backend(take)], options=", {maxInFlight=10}", keys=", maxInFlight=1")
    with tcp.connect() as s:
        s.sendall(framed(query("slow.example.", ident=1).to_wire()) +
                  framed(query("a.example.", ident=2).to_wire()) +
                  framed(query("b.example.", ident=3).to_wire()))
        assert {dns.message.from_wire(read_message(s)).id for _ in range(2)} == {2, 3}
        gate.set()
        assert dns.message.from_wire(read_message(s)).id == 1


def test_without_max_in_flight_pipelined_queries_keep_their_order(tcp):
    tcp.balancer([tcp.backend(), tcp.backend()])
    with tcp.connect() as s:
        s.sendall(b"".join(framed(query(f"n{i}.example.", ident=i).to_wire())
                           for i in range(200)))
        s.shutdown(socket.SHUT_WR)  # and answers still come
        assert [dns.message.from_wire(read_message(s)).id for _ in range(200)] == list(range(200))
        assert s.recv(1) == b""
    tcp.counter("tcp-clients", 0)


def test_a_long_query_in_single_bytes(tcp):
    backend = tcp.backend()
    tcp.balancer([backend])
    q = query("a.example.")
    q.use_edns(0, options=[dns.edns.GenericOption(12, bytes(60000))])
    wire = q.to_wire(max_size=65535)
    with tcp.connect() as s:
        for b in framed(wire)[:30]:
            s.sendall(bytes([b]))
        s.sendall(framed(wire)[30:])
        assert read_message(s)[:2] == wire[:2]
    assert backend.messages[0][2:] == wire[2:]


def test_slow_and_half_open_clients_cost_only_their_own_connection(tcp):
    tcp.balancer([tcp.backend()], 'setTCPRecvTimeout(1)\n')
    slow, silent = tcp.connect(), tcp.connect()
    sent = threading.Event()

    def drip():  # a byte now and then: never a whole query
        with contextlib.suppress(OSError):
            for b in framed(query("slow.example.").to_wire()):
                slow.sendall(bytes([b]))
                if sent.wait(0.3):
                    return
    thread = threading.Thread(target=drip)
    thread.start()
    for _ in range(20):
        assert tcp.ask().flags & dns.flags.QR
    assert tcp.closed(slow) == b"" and tcp.closed(silent) == b""
    sent.set()
    thread.join()
    slow.close()
    silent.close()
    assert tcp.counter("tcp-client-timeouts", 2)


def test_a_client_that_reads_nothing_is_closed(tcp):
    big = bytes(60000)
    tcp.balancer([tcp.backend(lambda conn, m: TcpBackend.answer(m) + big)],
                 'setTCPSendTimeout(1)\n', options=", {maxInFlight=1000}", keys=", maxInFlight=100")
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", tcp.port))
        with contextlib.suppress(OSError):
            s.sendall(b"".join(framed(query(f"n{i}.example.").to_wire()) for i in range(300)))
        assert tcp.ask().flags & dns.flags.QR
        until(lambda: tcp.it.counters()["tcp-clients"] == 0, "the connection closed")
    c = tcp.it.counters()
    assert c["tcp-stuck"] == 1 and c["tcp-forwarded"] == \
        c["tcp-answered"] + c["tcp-abandoned"] + c["tcp-failed"] + c["tcp-outstanding"]


def test_a_kept_connection_that_a_server_closed_is_opened_again_unseen(tcp):
    backend = tcp.backend()
    tcp.balancer([backend])
    with tcp.connect() as s:
        for _ in range(5):
            s.sendall(framed(query("a.example.").to_wire()))
            assert read_message(s)
            backend.hang_up()
    assert tcp.it.counters()["tcp-failed"] == 0


def test_a_server_that_hangs_up_on_a_query_is_asked_again(tcp):
    """It answers each connection's first query, and closes on the second."""
    seen = {}

    def take(conn, m):
        seen[conn] = seen.get(conn, 0) + 1
        return TcpBackend.answer(m) if seen[conn] == 1 else "close"
    tcp.balancer([tcp.backend(take)])
    for _ in range(10):
        assert tcp.ask().flags & dns.flags.QR
    c = tcp.it.counters()
    assert c["tcp-retries"] >= 5 and c["tcp-failed"] == 0 and c["tcp-answered"] == 10


def test_when_a_server_dies_queries_go_to_another_and_back_when_it_is_there(tcp):
    backends = [tcp.backend(), tcp.backend()]
    tcp.balancer(backends)
    backends[0].stop()
    for i in range(10):
        assert tcp.ask(f"n{i}.example.").flags & dns.flags.QR
    assert len(backends[1].messages) == 10
    backends[0].start()
    for i in range(10):
        assert tcp.ask(f"m{i}.example.").flags & dns.flags.QR
    assert len(backends[0].messages) == 5


def test_no_server_at_all_ends_the_connection(tcp):
    backend = tcp.backend()
    tcp.balancer([backend], keys=", retries=2")
    backend.stop()
    with tcp.connect() as s:
        s.sendall(framed(query("a.example.").to_wire()))
        assert tcp.closed(s) == b""
    c = tcp.it.counters()
    assert (c["tcp-failed"], c["tcp-retries"], c["tcp-connect-failed"]) == (1, 2, 3)


def test_limits(tcp):
    tcp.balancer([tcp.backend()], "setMaxTCPConnectionsPerClient(2)\n"
                 "setMaxTCPQueriesPerConnection(3)\nsetMaxTCPConnectionDuration(3600)\n")
    a, b = tcp.connect(), tcp.connect()
    for s in (a, b):
        s.sendall(framed(query("a.example.").to_wire()))
        assert read_message(s)
    with tcp.connect() as c:
        assert tcp.closed(c) == b""
    a.sendall(framed(query("a.example.").to_wire()) * 5)  # two more, and three too many
    assert len(tcp.closed(a)) == 2 * len(framed(query("a.example.").to_wire()))
    a.close()
    until(lambda: tcp.it.counters()["tcp-clients"] == 1, "one connection")
    assert tcp.ask().flags & dns.flags.QR
    b.close()
    assert tcp.it.counters()["tcp-client-limit"] == 1


def test_connections_end_after_their_duration(tcp):
    tcp.balancer([tcp.backend()], "setMaxTCPConnectionDuration(1)\nsetTCPRecvTimeout(60)\n")
    with tcp.connect() as s:
        assert tcp.closed(s) == b""
    assert tcp.it.counters()["tcp-too-long"] == 1


def test_max_concurrent_connections_of_an_address(tcp):
    tcp.balancer([tcp.backend()], options=", {maxConcurrentTCPConnections=1}")
    with tcp.connect() as a:
        a.sendall(framed(query("a.example.").to_wire()))
        assert read_message(a)
        with tcp.connect() as b:
            assert tcp.closed(b) == b""


def test_who_may_not_ask_is_closed(tcp):
    tcp.balancer([tcp.backend()], 'setACL("192.0.2.0/24")\n')
    with tcp.connect() as s:
        assert tcp.closed(s) == b""
    assert tcp.it.counters()["tcp-acl-drops"] == 1


def test_with_do_tcp_false_nobody_listens(tcp):
    tcp.balancer([tcp.backend()], options=", {doTCP=false}")
    with pytest.raises(ConnectionRefusedError):
        tcp.connect()


def test_a_zone_transfer_passes_message_by_message(tcp):
    def take(conn, m):
        for _ in range(50):
            conn.sendall(framed(TcpBackend.answer(m)))
        return "close"
    backend = tcp.backend(take)
    tcp.balancer([backend])
    with tcp.connect() as s:
        q = query("example.", "AXFR", ident=77)
        s.sendall(framed(q.to_wire()))
        assert [dns.message.from_wire(read_message(s)).id for _ in range(50)] == [77] * 50
        assert s.recv(1) == b""
    assert tcp.it.counters()["tcp-transfers"] == 1


def test_a_transfer_is_over_with_its_last_record(tcp):
    """Though the server keeps its connection, and the client goes on asking on its own."""
    def take(conn, m):
        q = dns.message.from_wire(m)
        if q.question[0].rdtype != dns.rdatatype.AXFR:
            return TcpBackend.answer(m)
        soa, more = "SOA . . 7 1 1 1 1", "A 192.0.2.1"
        for records in ([soa, more], [more, soa]):
            a = dns.message.make_response(q)
            a.answer = [dns.rrset.from_text("example.", 60, "IN", *r.split(" ", 1))
                        for r in records]
            conn.sendall(framed(a.to_wire()))
        return None
    tcp.balancer([tcp.backend(take)])
    with tcp.connect() as s:
        s.sendall(framed(query("example.", "AXFR", ident=77).to_wire()))
        assert [dns.message.from_wire(read_message(s)).id for _ in range(2)] == [77, 77]
        c = tcp.it.counters()
        assert (c["tcp-transfer-parts"], c["tcp-answered"], c["tcp-outstanding"]) == (1, 1, 0)
        s.sendall(framed(query("www.example.", ident=78).to_wire()))
        assert dns.message.from_wire(read_message(s)).id == 78


def test_a_transfer_waits_for_a_client_that_is_slower(tcp):
    """It is far longer than what sockets and the balancer keep, and none of it is lost. Its client
    reads when the server can't send any more."""
    blocked, parts = threading.Event(), 1000

    def take(conn, m):
        a = framed(TcpBackend.answer(m) + bytes(32000))
        for _ in range(parts):
            if not select.select([], [conn], [], 0.3)[1]:
                blocked.set()
            conn.sendall(a)
        return "close"
    backend = tcp.backend(take)
    tcp.balancer([backend])
    for together in (1, 3):
        blocked.clear()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(tcp.connect()) for _ in range(together)]
            for s in clients:
                s.sendall(framed(query("example.", "AXFR", ident=77).to_wire()))
            assert blocked.wait(PATIENCE)
            for s in clients:
                assert [read_message(s)[:2] for _ in range(parts)] == [b"\0\x4d"] * parts
                assert s.recv(1) == b""
    assert tcp.it.counters()["tcp-transfers"] == 4


def test_nonsense_ends_its_connection_alone(tcp):
    tcp.balancer([tcp.backend()])
    for bad in (framed(b""), framed(b"short"), framed(bytes(12) + b"\xff" * 30),
                framed(TcpBackend.answer(query("a.example.").to_wire()))):
        with tcp.connect() as s:
            s.sendall(bad)
            tcp.closed(s)
        assert tcp.ask().flags & dns.flags.QR


def test_many_connections_at_once(tcp):
    tcp.balancer([tcp.backend(), tcp.backend()], "setTCPRecvTimeout(60)\n")
    many = [tcp.connect() for _ in range(500)]
    for i, s in enumerate(many):
        s.sendall(framed(query(f"n{i}.example.", ident=i).to_wire()))
    for i, s in enumerate(many):
        a = dns.message.from_wire(read_message(s))
        assert (a.id, a.question[0].name.to_text()) == (i, f"n{i}.example.")
        s.close()
    tcp.counter("tcp-clients", 0)
    c = tcp.it.counters()
    assert c["tcp-answered"] == 500 and c["tcp-outstanding"] == 0


@test_balancer.needs_ipv6
def test_ipv6(lab):  # noqa: F811
    class Six(TcpBackend):
        def start(self):
            self.listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
            self.port = self.listener.getsockname()[1]
            threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

        def where(self):
            return f"[::1]:{self.port}"
    backend = Six()
    lab.parts.append(backend)
    port = ek.free_port("::1")
    lab.balancer(f'setLocal("[::]:{port}")\n'
                 f'newServer{{address="{backend.where()}"}}:setUp()\n').ready()
    a = dns.query.tcp(query("six.example."), "::1", PATIENCE, port=port)
    assert a.flags & dns.flags.QR and len(backend.messages) == 1
