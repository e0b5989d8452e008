# SPDX-License-Identifier: BSD-3-Clause
"""Reloads of the program balancer, by SIGHUP and the console: no query is lost under load, a broken
file changes nothing, what is known of servers and what waits in sockets stays."""
import contextlib
import os
import re
import signal
import socket
import threading

import dns.message
import pytest

import ek
from test_balancer import (PATIENCE, ask, client, free_port, lab, query,  # noqa: F401
                           server, until)
from test_balancer_tcp import TcpBackend, framed, read_message
from test_console import KEY, say

RELOADS = int(os.environ.get("EK_RELOADS", "50"))


class Both:
    """A server over UDP and TCP. hold: it keeps what it is asked, until let_go()."""

    def __init__(self, the_lab):
        self.udp = the_lab.backend("127.0.0.1", free_port())
        self.tcp = TcpBackend(port=self.udp.port)
        the_lab.parts.append(self.tcp)

    def where(self):
        return self.udp.where()

    def asked(self):
        return len(self.udp.queries) + len(self.tcp.messages)


def reload(balancer, config, good=True):
    """Writes the file, says so, and waits until that has come to something."""
    if config is not None:
        balancer.file.write_text(config)
    balancer.process.send_signal(signal.SIGHUP)
    finished(balancer, good)


def finished(balancer, good=True):
    before = balancer.notify.recv(200)
    assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", before), before
    assert balancer.notify.recv(200) == b"READY=1"
    counts = balancer.counters()
    assert counts["reloads" if good else "reloads-refused"] > 0
    return counts


def stop(balancer):
    """Ends it; what it said on standard error."""
    balancer.process.terminate()
    assert balancer.process.wait(PATIENCE) == 0
    said = balancer.process.stderr.read()
    assert "Sanitizer" not in said, said
    return said


class Load:
    """Clients that keep some queries on their way all the time; each answer must be to a question
    of its client that is out, with its ID."""

    def __init__(self, port, name):
        self.port, self.name = port, name
        self.done, self.sent, self.answered, self.wrong = threading.Event(), 0, 0, []
        self.thread = threading.Thread(target=self.run)

    def question(self):
        self.sent += 1
        q = query(f"{self.name}{self.sent}.example.", qid=self.sent % 65536)
        self.out[q.id] = q.question
        return q.to_wire()

    def take(self, data):
        a = dns.message.from_wire(data)
        if self.out.pop(a.id, None) != a.question:
            self.wrong.append(a)
        self.answered += 1

    def run(self):
        self.out = {}
        try:
            self.go_on()
        except Exception as e:  # a thread's end must show in the test
            self.wrong.append(e)

    def finish(self):
        self.done.set()
        self.thread.join()
        assert not self.wrong, (self.name, self.wrong[:3], self.sent, self.answered)
        assert self.sent == self.answered > 0


class UdpLoad(Load):
    def go_on(self):
        with client("127.0.0.1", self.port) as s:
            for _ in range(8):
                s.send(self.question())
            while self.out:
                self.take(s.recv(4096))
                if not self.done.is_set():
                    s.send(self.question())


class TcpLoad(Load):
    """One connection, which stays."""

    def go_on(self):
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as s:
            s.settimeout(PATIENCE)
            for _ in range(4):
                s.sendall(framed(self.question()))
            while self.out:
                self.take(read_message(s))
                if not self.done.is_set():
                    s.sendall(framed(self.question()))


def front(port):
    return f'setLocal("127.0.0.1:{port}", {{maxInFlight=16}})\nsetMaxTCPConnectionDuration(0)\n'


def test_fifty_reloads_under_load_lose_no_query(lab):
    one, two, three, port = Both(lab), Both(lab), Both(lab), free_port("127.0.0.1")
    begin = front(port) + "setServerPolicy(wrandom)\n"
    both = begin + server(one, "DNS1", ", maxInFlight=8") + server(two, "DNS3")
    others = [
        ("broken", both + "newServer{\n", False),
        ("refused", both + 'newServer{address="127.0.0.1:1", wait=1}\n', False),
        ("other weights", both.replace('"DNS3"', '"DNS3", weight=7'), True),
        ("one less", begin + server(two, "DNS3"), True),
        ("one more, in front", begin + server(three, "DNS0", ", order=0") + server(one, "DNS1")
         + server(two, "DNS3"), True),
        ("more sockets", begin + server(one, "DNS1", ", sockets=3") + server(two, "DNS3"), True),
        ("another policy and a cache", both + "setServerPolicy(leastOutstanding)\n"
         'getPool(""):setCache(newPacketCache(1000))\n', True),
        ("all of them others", begin + server(three, "DNS0"), True),
        ("the first one again", both, True),
    ]
    b = lab.balancer(both, "-w", "2").ready()
    loads = [kind(port, f"{kind.__name__}{i}x") for kind in (UdpLoad, TcpLoad) for i in range(2)]
    for load in loads:
        load.thread.start()
    good = 0
    for i in range(RELOADS):
        _, config, is_good = others[i % len(others)]
        before = [load.answered for load in loads]
        reload(b, config, is_good)
        good += is_good
        until(lambda: all(load.answered > n for load, n in zip(loads, before)), "more answers")
    for load in loads:
        load.finish()
    counts = b.counters()
    assert (counts["reloads"], counts["reloads-refused"]) == (good, RELOADS - good)
    assert counts["outstanding"] == counts["tcp-outstanding"] == counts["timeouts"] == 0
    assert counts["tcp-accepted"] == 2 and counts["tcp-failed"] == counts["tcp-retries"] == 0
    asked = sum(load.answered for load in loads)
    assert (counts["forwarded"] + counts["tcp-forwarded"] == asked ==
            counts["answered"] + counts["tcp-answered"])
    assert one.asked() + two.asked() + three.asked() == asked
    assert one.asked() and two.asked() and three.asked()
    said = stop(b).splitlines()
    assert len(said) == RELOADS - good
    assert all(f"Reload refused, all goes on as before: {b.file}:" in line for line in said)


def test_a_broken_file_is_refused_with_its_line_and_nothing_changes(lab):
    one, port = lab.backend(), free_port("127.0.0.1")
    config = f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1")
    b = lab.balancer(config).ready()
    reload(b, config + "\nsetServerPolicy(randomly)\n", good=False)
    b.file.unlink()
    reload(b, None, good=False)
    with client("127.0.0.1", port) as s:
        ask(s, query())
    assert len(one.queries) == 1
    said = stop(b).splitlines()
    assert len(said) == 2
    assert f"{b.file}:4: " in said[0] and "No such file" in said[1]


def test_a_new_server_is_probed_first(lab):
    one, two, port = lab.backend(), lab.backend(), free_port("127.0.0.1")
    two.silent = True
    config = f'setLocal("127.0.0.1:{port}")\nsetServerPolicy(roundrobin)\n' + server(one, "DNS1")
    b = lab.balancer(config).ready()
    more = config + server(two, "DNS3")
    reload(b, more)
    with client("127.0.0.1", port) as s:
        for _ in range(20):
            ask(s, query())
        assert len(one.queries) == 20 and not two.queries and two.checks
        two.silent = False
        b.said(f"Marking downstream DNS3 ({two.where()}) as 'up'")
        for _ in range(20):
            ask(s, query())
    assert len(two.queries) == 10
    stop(b)


def test_a_removed_server_answers_what_it_has_and_gets_nothing_new(lab):
    port = free_port("127.0.0.1")
    asked, go = [], threading.Event()

    def hold(_, message):
        asked.append(message)
        go.wait(PATIENCE)
        return TcpBackend.answer(message)
    one, two = Both(lab), lab.backend()
    one.tcp.take = hold
    one.udp.silent = True
    begin = f'setLocal("127.0.0.1:{port}", {{maxInFlight=4}})\nsetUDPTimeout(30)\n'
    old = begin + f'newServer{{address="{one.where()}", name="DNS1"}}:setUp()\n'
    b = lab.balancer(old, "-w", "1").ready()
    with client("127.0.0.1", port) as s, \
            socket.create_connection(("127.0.0.1", port), PATIENCE) as t:
        t.settimeout(PATIENCE)
        s.send(query(qid=1).to_wire())
        t.sendall(framed(query(qid=2).to_wire()))
        until(lambda: one.udp.queries and asked, "both at the old server")
        reload(b, begin + server(two, "DNS3"))
        assert ask(s, query("new.example.", qid=3)).id == 3 and len(two.queries) == 1
        data, peer = one.udp.queries[0]
        one.udp.socket.sendto(one.udp.answer(data), peer)
        assert dns.message.from_wire(s.recv(4096)).id == 1
        go.set()
        assert dns.message.from_wire(read_message(t)).id == 2
    counts = b.counters()
    assert counts["outstanding"] == counts["tcp-outstanding"] == counts["timeouts"] == 0
    assert len(one.udp.queries) == 1 and counts["tcp-servers"] == 0
    stop(b)


def test_sockets_and_connections_that_stay_are_kept(lab):
    one, port, other = Both(lab), free_port("127.0.0.1"), free_port("127.0.0.1")
    config = f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1")
    b = lab.balancer(config, "-w", "1").ready()
    with client("127.0.0.1", port) as s, \
            socket.create_connection(("127.0.0.1", port), PATIENCE) as t:
        t.settimeout(PATIENCE)
        for i in range(5):
            ask(s, query())
            t.sendall(framed(query().to_wire()))
            read_message(t)
            # another address comes, and goes
            reload(b, config + (f'addLocal("127.0.0.1:{other}")\n' if i % 2 == 0 else ""))
            if i % 2 == 0:
                with client("127.0.0.1", other) as o:
                    ask(o, query())
                with socket.create_connection(("127.0.0.1", other), PATIENCE) as o:
                    o.sendall(framed(query().to_wire()))
                    read_message(o)
            else:
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", other), PATIENCE).close()
    assert len({peer for _, peer in one.udp.queries}) == 1
    assert len(one.tcp.connections) == 1
    stop(b)


def test_an_address_that_is_taken_refuses_the_reload(lab):
    one, port = lab.backend(), free_port("127.0.0.1")
    config = f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1")
    b = lab.balancer(config, "-w", "2").ready()
    taken = one.where()
    reload(b, config + f'addLocal("{taken}")\n', good=False)
    with client("127.0.0.1", port) as s:
        ask(s, query())
    assert f"can't listen on {taken}: Address already in use" in stop(b)


def test_the_console_orders_a_reload_and_what_it_set_stays(lab):
    one, two = lab.backend(), lab.backend()
    port, control = free_port("127.0.0.1"), free_port()
    config = (f'setLocal("127.0.0.1:{port}")\nsetServerPolicy(roundrobin)\n'
              f'controlSocket("127.0.0.1:{control}")\nsetKey("{KEY}")\n'
              + server(one, "DNS1") + server(two, "DNS3"))
    b = lab.balancer(config).ready()
    program = ek.program("balancer")
    assert not say(program, b.file, 'a = getServer("DNS1"); a:setDown()')
    assert not say(program, b.file, 'getServer("DNS3"):setQPS(77)')
    assert "Reloading" in say(program, b.file, "reload()")
    finished(b)
    with client("127.0.0.1", port) as s:
        for _ in range(6):
            ask(s, query())
    assert not one.queries and len(two.queries) == 6
    table = say(program, b.file, "showServers()")
    assert re.search(r"DNS1 .* DOWN ", table) and re.search(r"DNS3 .* up .* 77 ", table), table
    assert "nil" in say(program, b.file, "tostring(a)")  # its variables are gone
    # servers in another order, with other numbers: names find the right ones
    reload(b, config.replace("DNS3", "DNS0"))
    assert re.search(r"^1 .*DNS0", say(program, b.file, "showServers()"), re.MULTILINE)
    assert 'reloads "' not in say(program, b.file, "dumpStats()")
    assert re.search(r"\breloads\s+2\b", say(program, b.file, "dumpStats()"))
    stop(b)


def test_what_needs_a_new_start_is_said(lab):
    one, port, control = lab.backend(), free_port("127.0.0.1"), free_port()
    begin = f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1")
    console = f'controlSocket("127.0.0.1:{control}")\nsetKey("{KEY}")\n'
    b = lab.balancer(begin + console).ready()
    reload(b, begin + console.replace(str(control), str(free_port())))
    reload(b, begin)
    with contextlib.closing(socket.create_connection(("127.0.0.1", control), PATIENCE)) as s:
        s.settimeout(PATIENCE)
        assert s.recv(100) == b""  # without a key nobody is let in
    reload(b, begin + console + "setMaxUDPOutstanding(10)\n")
    assert say(ek.program("balancer"), b.file, "showVersion()")
    assert stop(b).splitlines() == [
        "reload: controlSocket: address and number of connections stay until a new start",
        "reload: controlSocket: it stays until a new start",
        "reload: setMaxUDPOutstanding: it stays 65535 until a new start"]


def test_a_reload_before_the_start_is_done_is_carried_out_after(lab):
    one, two, port = lab.backend(), lab.backend(), free_port("127.0.0.1")
    two.silent = True
    config = f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1") + server(two, "DNS3")
    b = lab.balancer(config)
    b.said(f"Marking downstream DNS1 ({one.where()}) as 'up'")
    b.process.send_signal(signal.SIGHUP)
    b.ready()
    finished(b)
    stop(b)


def test_a_lua_policy_and_rules_are_replaced(lab):
    one, two, port = lab.backend(), lab.backend(), free_port("127.0.0.1")
    config = (f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1") + server(two, "DNS3") +
              'setServerPolicyLua("first", function(servers, dq) return servers[1] end)\n')
    b = lab.balancer(config, "-w", "2").ready()
    with client("127.0.0.1", port) as s:
        for _ in range(10):
            ask(s, query())
        assert len(one.queries) == 10
        reload(b, config.replace("servers[1]", "servers[2]"))
        for _ in range(10):
            ask(s, query())
        assert len(two.queries) == 10
        reload(b, config.replace("servers[1]", "servers["), good=False)
        reload(b, config + 'addAction("refused.example.", RCodeAction(DNSRCode.REFUSED))\n')
        assert ask(s, query("www.refused.example.")).rcode() == 5
        ask(s, query())
    assert len(one.queries) == 11
    stop(b)
