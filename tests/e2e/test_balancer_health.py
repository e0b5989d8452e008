# SPDX-License-Identifier: BSD-3-Clause
"""Health checks of the program balancer beyond plain ones over UDP, between servers made here in
Python. Nothing is asserted about time but that things come at all."""
import re
import socket

import ek
from test_balancer import (Backend, ask, client, lab, query,  # noqa: F401 (lab is a fixture)
                           until)
from test_balancer_tcp import TcpBackend, framed


def checked(lab, *backends, conf=""):  # noqa: F811
    """A balancer over these (backend, further keys of its newServer)."""
    port = ek.free_port()
    servers = "".join(f'newServer{{address="{b.where()}", name="S{i}", {keys}}}\n'
                      for i, (b, keys) in enumerate(backends))
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\n{servers}{conf}\n'
                     "setServerPolicy(roundrobin)\n")
    b.port = port
    return b


def marked(backend, i, state):
    return f"Marking downstream S{i} ({backend.where()}) as '{state}'"


def over_tcp(lab, *args, **more):  # noqa: F811
    b = TcpBackend(*args, **more)
    lab.parts.append(b)
    return b


def test_a_check_over_tcp_asks_on_a_connection_of_its_own(lab):  # noqa: F811
    one = over_tcp(lab)
    checked(lab, (one, "checkTCP=true")).ready().said(marked(one, 0, "up"))
    until(lambda: len(one.messages) >= 2, "a second check")
    assert len(one.connections) >= 2
    for m in one.messages[:2]:
        assert m[2:] == b"\1\0\0\1\0\0\0\0\0\0\1a\x0croot-servers\3net\0\0\1\0\1"
    assert one.messages[0][:2] != one.messages[1][:2]


def test_an_answer_may_come_in_pieces_and_after_another_message(lab):  # noqa: F811
    def in_pieces(conn, m):
        back = framed(b"not an answer") + framed(TcpBackend.answer(m))
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(back)):
            conn.sendall(back[i:i + 1])

    one = over_tcp(lab, in_pieces)
    checked(lab, (one, "checkTCP=true")).ready().said(marked(one, 0, "up"))


def test_an_answer_longer_than_a_check_reads_is_judged_by_its_beginning(lab):  # noqa: F811
    one = over_tcp(lab, lambda conn, m: TcpBackend.answer(m) + bytes(60000))
    checked(lab, (one, "checkTCP=true")).ready().said(marked(one, 0, "up"))


def test_who_refuses_closes_or_answers_servfail_is_down_over_tcp(lab):  # noqa: F811
    def servfail(conn, m):
        back = bytearray(TcpBackend.answer(m))
        back[3] |= 2
        return bytes(back)

    closed, rude, bad = (over_tcp(lab), over_tcp(lab, lambda conn, m: "close"),
                         over_tcp(lab, servfail))
    closed.stop()
    b = checked(lab, *((x, "checkTCP=true, checkTimeout=60000") for x in (closed, rude, bad)))
    b.ready()
    for i, backend in enumerate((closed, rude, bad)):
        b.said(marked(backend, i, "down"))
    back = over_tcp(lab, port=closed.port)
    b.said(marked(back, 0, "up"))


def test_a_silent_server_over_tcp_delays_nobodys_checks(lab):  # noqa: F811
    silent, udp, tcp = over_tcp(lab, lambda conn, m: None), lab.backend(), over_tcp(lab)
    b = checked(lab, (silent, "checkTCP=true, checkTimeout=60000"), (udp, "rise=1"),
                (tcp, "checkTCP=true"))
    b.said(marked(udp, 1, "up"))
    b.said(marked(tcp, 2, "up"))
    until(lambda: len(udp.checks) >= 3 and len(tcp.messages) >= 3, "the others' checks")
    assert not any("S0" in line for line in b.lines)
    assert len(silent.messages) >= 2  # its own go on too, beside those that wait


def test_a_check_over_udp_says_nothing_of_tcp_and_the_other_way_round(lab):  # noqa: F811
    udp, tcp = lab.backend(), over_tcp(lab)
    b = checked(lab, (udp, "checkTCP=true"), (tcp, "checkTCP=false, checkTimeout=200"))
    b.ready()
    b.said(marked(udp, 0, "down"))
    b.said(marked(tcp, 1, "down"))
    assert udp.checks == [] and tcp.messages == []


def test_counters_tell_of_changes_and_of_the_time_spent_down(lab):  # noqa: F811
    one, two = lab.backend(), lab.backend()
    b = checked(lab, (one, "checkTimeout=100"), (two, "healthCheckMode='up'")).ready()
    one.silent = True
    b.said(marked(one, 0, "down"))
    one.silent = False
    until(lambda: b.lines.count(marked(one, 0, "up")) == 2, "its return")
    b.counters()
    told = {m[1]: (m[2], int(m[3]), float(m[4])) for m in
            (re.match(r"Server (.*) is (\w+), changed (\d+) times, was down for ([\d.]+) s", line)
             for line in b.lines) if m}
    state, changes, down = told[f"S0 ({one.where()})"]
    assert (state, changes) == ("up", 2) and down > 0
    assert told[f"S1 ({two.where()})"] == ("up", 0, 0)


LAZY = 'healthCheckMode="lazy", checkTimeout=200, lazyHealthCheckFailedInterval=1'


def test_lazy_checks_begin_when_queries_fail_and_end_when_all_is_well(lab):  # noqa: F811
    one = lab.backend()
    b = checked(lab, (one, LAZY), conf="setUDPTimeout(1)").ready()
    b.said(marked(one, 0, "up"))
    assert len(one.checks) == 1
    with client("127.0.0.1", b.port) as s:
        for i in range(20):
            ask(s, query(qid=i + 1))
        one.silent = True
        for i in range(5):
            s.send(query(qid=100 + i).to_wire())
        b.said(marked(one, 0, "down"))
        assert len(one.checks) >= 2
        one.silent = False
        b.said(marked(one, 0, "up"))
        checks = len(one.checks)
        for i in range(200):
            ask(s, query(qid=200 + i))
    assert len(one.checks) == checks


def test_lazy_checks_take_servfail_for_a_failure(lab):  # noqa: F811
    class Failing(Backend):
        def answer(self, data):
            back = bytearray(Backend.answer(self, data))
            back[3] |= 2 if b"\x0croot-servers" not in data else 0
            return bytes(back)

    one, two = Failing(), Failing()
    lab.parts += [one, two]
    b = checked(lab, (one, LAZY), (two, LAZY + ', lazyHealthCheckMode="TimeoutOnly"')).ready()
    with client("127.0.0.1", b.port) as s:
        until(lambda: ask(s, query()) and len(one.checks) >= 3, "probes of a suspect")
    assert len(two.checks) == 1 and len(two.queries) >= 5
    assert not any("'down'" in line for line in b.lines)
