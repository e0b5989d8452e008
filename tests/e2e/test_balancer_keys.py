# SPDX-License-Identifier: BSD-3-Clause
"""newServer's keys that change what goes to a server and how, seen at servers made here in Python:
useClientSubnet, useProxyProtocol, source, reconnectOnUp, tcpOnly."""
import socket
import struct

import dns.edns
import dns.flags
import dns.message
import dns.query

from test_balancer import (PATIENCE, Backend, ask, client, lab, query,  # noqa: F401
                           until)
from test_balancer_health import checked, marked, over_tcp
from test_balancer_tcp import TcpBackend, receive

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def subnet(wire):
    """The subnet that a query tells, and whether it has EDNS."""
    m = dns.message.from_wire(wire)
    told = [o.to_text() for o in m.options if isinstance(o, dns.edns.ECSOption)]
    return (told[0] if told else None), m.edns >= 0


def test_servers_are_told_the_clients_subnet_and_clients_nothing_of_it(lab):  # noqa: F811
    one = lab.backend()
    b = checked(lab, (one, "useClientSubnet=true"), conf="setECSSourcePrefixV4(16)").ready()
    own = dns.edns.ECSOption("192.0.2.0", 24)
    with client("127.0.0.1", b.port) as s:
        plain = ask(s, query(use_edns=False))
        edns = ask(s, query(use_edns=0, payload=1232))
        mine = ask(s, query(use_edns=0, options=[own]))
    told = [subnet(m) for m, _ in one.queries]
    assert told == [("ECS 127.0.0.0/16 scope/0", True), ("ECS 127.0.0.0/16 scope/0", True),
                    ("ECS 192.0.2.0/24 scope/0", True)]
    assert plain.edns == -1
    assert edns.edns == 0 and not edns.options
    assert mine.options and mine.options[0].to_text() == own.to_text()


def test_a_subnet_of_the_clients_is_replaced_where_the_configuration_says_so(lab):  # noqa: F811
    tcp = over_tcp(lab)
    tcp_at = Backend(port=tcp.port)  # the same port over UDP, for the health checks
    lab.parts.append(tcp_at)
    b = checked(lab, (tcp, "useClientSubnet=true"), conf="setECSOverride(true)").ready()
    q = query(use_edns=0, options=[dns.edns.ECSOption("192.0.2.0", 24)])
    dns.query.tcp(q, "127.0.0.1", PATIENCE, port=b.port)
    assert subnet(tcp.messages[0]) == ("ECS 127.0.0.0/24 scope/0", True)
    a = dns.query.tcp(query(use_edns=False), "127.0.0.1", PATIENCE, port=b.port)
    assert subnet(tcp.messages[1]) == ("ECS 127.0.0.0/24 scope/0", True) and a.edns == -1


def header(data):
    """(command, protocol, client, asked) of a PROXY header, and what is behind it."""
    assert data[:12] == SIGNATURE, data
    command, family, size = data[12], data[13], struct.unpack("!H", data[14:16])[0]
    rest = data[16:16 + size]
    ends = None
    if family >> 4 == 1:
        ends = (socket.inet_ntoa(rest[:4]), struct.unpack("!H", rest[8:10])[0],
                socket.inet_ntoa(rest[4:8]), struct.unpack("!H", rest[10:12])[0])
    return command, family & 15, ends, data[16 + size:]


class ProxyBackend(Backend):
    """Answers what is behind a PROXY header, over UDP."""
    heads = None

    def answer(self, data):
        *head, message = header(data)
        self.heads = (self.heads or []) + [head]
        return Backend.answer(self, message)


class ProxyTcpBackend(TcpBackend):
    """And over TCP: a header, then messages."""
    heads = None

    def serve(self, conn):
        try:
            start = receive(conn, 16)
            size = struct.unpack("!H", start[14:16])[0]
            *head, rest = header(start + receive(conn, size))
        except (EOFError, OSError):
            return
        assert rest == b""
        self.heads = (self.heads or []) + [head]
        super().serve(conn)


def test_a_proxy_header_tells_who_asked_which_address_over_udp(lab):  # noqa: F811
    one = ProxyBackend()
    lab.parts.append(one)
    b = checked(lab, (one, "useProxyProtocol=true")).ready()
    b.said(marked(one, 0, "up"))
    assert one.heads[0] == [0x20, 0, None]
    with client("127.0.0.1", b.port) as s:
        a = ask(s, query(qid=77))
        assert a.id == 77
        asked = [h for h in one.heads if h[0] == 0x21]
        assert asked == [[0x21, 2, ("127.0.0.1", s.getsockname()[1], "127.0.0.1", b.port)]]


def test_a_proxy_header_is_at_the_head_of_a_connection_for_each_query(lab):  # noqa: F811
    one = ProxyTcpBackend()
    lab.parts.append(one)
    b = checked(lab, (one, "useProxyProtocol=true, checkTCP=true, maxInFlight=10")).ready()
    b.said(marked(one, 0, "up"))
    assert one.heads[0] == [0x20, 0, None]
    with socket.create_connection(("127.0.0.1", b.port), PATIENCE) as s:
        for i in range(3):
            dns.query.send_tcp(s, query(f"n{i}.example."))
            a, _ = dns.query.receive_tcp(s)
            assert a.question[0].name.to_text() == f"n{i}.example."
        asked = [h for h in one.heads if h[0] == 0x21]
        assert asked == 3 * [[0x21, 1, ("127.0.0.1", s.getsockname()[1], "127.0.0.1", b.port)]]


def test_a_server_is_talked_to_from_its_source(lab):  # noqa: F811
    peers = set()

    def take(conn, m):
        peers.add(conn.getpeername()[0])
        return TcpBackend.answer(m)

    udp, tcp = lab.backend(), over_tcp(lab, take)
    tcp_at = Backend(port=tcp.port)
    lab.parts.append(tcp_at)
    b = checked(lab, (udp, 'source="127.0.0.7"'), (tcp, 'source="127.0.0.8@lo", checkTCP=true'))
    b.ready()
    b.said(marked(udp, 0, "up"))
    b.said(marked(tcp, 1, "up"))
    assert {peer[0] for _, peer in udp.checks} == {"127.0.0.7"}
    assert peers == {"127.0.0.8"}
    with client("127.0.0.1", b.port) as s:
        for i in range(4):
            ask(s, query(qid=i))
    assert {peer[0] for _, peer in udp.queries} == {"127.0.0.7"}
    assert {peer[0] for _, peer in tcp_at.queries} == {"127.0.0.8"}


def test_a_server_that_is_back_is_talked_to_from_a_fresh_socket(lab):  # noqa: F811
    fresh, kept = lab.backend(), lab.backend()
    b = checked(lab, (fresh, "reconnectOnUp=true, checkTimeout=100"), (kept, "checkTimeout=100"))
    b.ready()
    ports = {}
    with client("127.0.0.1", b.port) as s:
        for turn in range(2):
            for i in range(4):
                ask(s, query(qid=10 * turn + i))
            ports[turn] = [{peer[1] for _, peer in x.queries} for x in (fresh, kept)]
            if turn == 0:
                for i, x in enumerate((fresh, kept)):
                    x.silent = True
                    b.said(marked(x, i, "down"))
                    x.silent = False
                    until(lambda i=i, x=x: b.lines.count(marked(x, i, "up")) == 2, "its return")
    assert len(ports[0][0]) == 1 and len(ports[1][0]) == 2
    assert ports[0][1] == ports[1][1]


def test_over_tcp_only_goes_what_came_over_udp_too(lab):  # noqa: F811
    def swell(conn, m):
        back = TcpBackend.answer(m)
        if b"\3big" in m:
            answer = b"\xc0\x0c\0\x10\0\1\0\0\0\x3c\0\xff\xfe" + 254 * b"x"
            back = back[:6] + b"\0\x08" + back[8:10] + b"\0\0" + back[12:] + 8 * answer
        return back

    one = over_tcp(lab, swell)
    b = checked(lab, (one, "tcpOnly=true, maxInFlight=100")).ready()
    b.said(marked(one, 0, "up"))
    with client("127.0.0.1", b.port) as s:
        asked = {i: query(f"n{i}.example.", qid=i, use_edns=False) for i in range(40)}
        for q in asked.values():
            s.send(q.to_wire())
        answers = [dns.message.from_wire(s.recv(4096)) for _ in asked]
        assert {a.id for a in answers} == set(asked)
        assert all(a.question == asked[a.id].question for a in answers)
        cut = ask(s, query("big.example.", use_edns=False))
        assert cut.flags & dns.flags.TC and not cut.answer
        whole = dns.query.tcp(query("big.example."), "127.0.0.1", PATIENCE, port=b.port)
        assert not whole.flags & dns.flags.TC and whole.answer
