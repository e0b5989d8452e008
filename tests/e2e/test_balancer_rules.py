# SPDX-License-Identifier: BSD-3-Clause
"""Rules and pools: one configuration, the same queries, our balancer and a real dnsdist, and the
same answers, silence and routing from both."""
import re
import socket

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

import ek
import test_balancer
import test_balancer_tcp
from test_balancer import PATIENCE, ask, client, free_port, lab, server  # noqa: F401
from test_console import Console

CONFIG = """
setACL({"127.0.0.0/8"})
setSecurityPollSuffix("")
getPool("abuse"):setCache(newPacketCache(100))
addAction({"nx.example", "other.test."}, RCodeAction(DNSRCode.NXDOMAIN))
addAction(AndRule({QTypeRule(DNSQType.ANY), TCPRule(false)}), TCAction())
addAction(QNameRule("refused.test"), RCodeAction(DNSRCode.REFUSED, {ra=false, aa=true}))
addAction(RegexRule("^[0-9]{5,}\\\\."),
          SpoofAction({"192.0.2.1", "192.0.2.2", "2001:db8::1"}, {ttl=5}))
addAction("10.0.0.0/8", RCodeAction(DNSRCode.REFUSED))
addAction("silent.test", DropAction())
addAction("abuse.test", PoolAction("abuse"))
addAction("slow.test", DelayAction(700))
addAction(NotRule(OrRule{RDRule(), DNSSECRule()}), RCodeAction(DNSRCode.NOTIMP))
addAction("norecurse.test", SetNoRecurseAction())
addResponseAction(RCodeRule(DNSRCode.SERVFAIL), DropResponseAction())
"""

# name, type, keywords of the query, and what comes: flags, rcode, records
ANSWERS = [
    ("a.nx.example", "A", {}, "QR RD RA", "NXDOMAIN", []),
    ("a.NX.example", "A", {"use_edns": 0, "want_dnssec": True}, "QR RD RA", "NXDOMAIN", []),
    ("other.test", "TXT", {"use_edns": 0}, "QR RD RA", "NXDOMAIN", []),
    ("any.test", "ANY", {}, "QR TC RD RA", "NOERROR", []),
    ("any.test", "ANY", {"use_edns": 0}, "QR TC RD RA", "NOERROR", []),
    ("refused.test", "A", {}, "QR AA RD", "REFUSED", []),
    ("12345.test", "A", {}, "QR RD RA", "NOERROR", ["192.0.2.1", "192.0.2.2"]),
    ("12345.test", "AAAA", {"use_edns": 0}, "QR RD RA", "NOERROR", ["2001:db8::1"]),
    ("norecurse.test", "A", {}, "QR AA RD RA", "NOERROR", []),
    ("plain.test", "A", {"flags": 0}, "QR", "NOTIMP", []),
]


class Failing(test_balancer.Backend):
    """SERVFAIL for names that begin with fail."""

    def answer(self, data):
        rcode = 2 if data[12:17] == b"\x04fail" else 0
        return data[:2] + bytes([data[2] | 0x84, 0x80 | rcode]) + data[4:]


@pytest.fixture(params=["ours", "dnsdist"])
def rules(request, lab, start, tmp_path):  # noqa: F811
    """(port, servers of the default pool, servers of the other) of a balancer with CONFIG."""
    one, two, port = Failing(), Failing(), free_port()
    lab.parts += [one, two]
    text = (f'setLocal("127.0.0.1:{port}")\n' + CONFIG + server(one, "DNS1")
            + server(two, "DNS2", ', pool="abuse"'))
    if request.param == "ours":
        lab.balancer(text).ready()
    else:
        (tmp_path / "real.conf").write_text(text)
        start(ek.tool("dnsdist"), "--supervised", "--disable-syslog", "-C",
              tmp_path / "real.conf", notify=True).wait_ready()
    return port, one, two


def test_what_rules_answer(rules):  # noqa: F811
    port, one, two = rules
    for name, rdtype, how, flags, rcode, records in ANSWERS:
        q = dns.message.make_query(name, rdtype, **how)
        for tcp in (False, True):
            if tcp and (flags.startswith("QR TC") or "AA RD RA" in flags):
                continue  # goes on to a server, which is not there over TCP
            ways = dns.query.tcp if tcp else dns.query.udp
            a = ways(q, "127.0.0.1", port=port, timeout=PATIENCE)
            said = (dns.flags.to_text(a.flags), dns.rcode.to_text(a.rcode()),
                    sorted(r.to_text() for s in a.answer for r in s))
            assert said == (flags, rcode, records), (name, rdtype, how, tcp)
            assert all(s.ttl == 5 for s in a.answer)
            assert (a.edns, a.ednsflags) == (q.edns, q.ednsflags)
    assert [data[12:23] for data, _ in one.queries] == [b"\x09norecurse\x04"]
    assert one.queries[0][0][2] & 1 == 0  # the server was asked without RD
    assert two.queries == []


def test_what_is_dropped_is_silent(rules):  # noqa: F811
    port, one, _ = rules
    with client("127.0.0.1", port) as s:
        s.send(test_balancer.query("a.silent.test", qid=1).to_wire())
        s.send(test_balancer.query("fail.test", qid=2).to_wire())
        assert ask(s, test_balancer.query("plain.test", qid=3)).id == 3
    assert len(one.queries) == 2
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as s:
        s.sendall(test_balancer_tcp.framed(test_balancer.query("silent.test").to_wire()))
        assert s.recv(100) == b""


def test_a_pool_is_a_set_of_servers_and_a_cache(rules):  # noqa: F811
    port, one, two = rules
    with client("127.0.0.1", port) as s:
        for name in ("abuse.test", "x.abuse.test", "plain.test", "plain.test"):
            ask(s, test_balancer.query(name))
    assert (len(one.queries), len(two.queries)) == (2, 2)


def test_a_delayed_answer_comes_after_one_that_was_asked_for_later(rules):  # noqa: F811
    port, _, _ = rules
    with client("127.0.0.1", port) as s:
        s.send(test_balancer.query("slow.test", qid=1).to_wire())
        assert ask(s, test_balancer.query("plain.test", qid=2)).id == 2
        assert dns.message.from_wire(s.recv(4096)).id == 1


def test_over_tcp_tc_is_not_said(lab):  # noqa: F811
    """dnsdist sends it on too, from 1.7 on; this needs a server that answers over TCP."""
    backend, port = test_balancer_tcp.TcpBackend(), free_port()
    lab.balancer(f'setLocal("127.0.0.1:{port}")\naddAction(AllRule(), TCAction())\n'
                 f'newServer{{address="127.0.0.1:{backend.port}"}}:setUp()\n').ready()
    q = dns.message.make_query("tc.test", "A")
    assert dns.query.udp(q, "127.0.0.1", port=port, timeout=PATIENCE).flags & dns.flags.TC
    assert not dns.query.tcp(q, "127.0.0.1", port=port, timeout=PATIENCE).flags & dns.flags.TC
    assert len(backend.messages) == 1
    backend.stop()


def test_matches_are_shown_and_counted(lab):  # noqa: F811
    console = Console(lab, lab.backend(), more=(
        'addAction("nx.test", RCodeAction(DNSRCode.NXDOMAIN), {name="nothing"})\n'
        'addAction("drop.test", DropAction())\n'))
    with client("127.0.0.1", console.port) as s:
        for _ in range(3):
            assert ask(s, test_balancer.query("nx.test")).rcode() == dns.rcode.NXDOMAIN
        s.send(test_balancer.query("drop.test").to_wire())
        ask(s, test_balancer.query())
    rows = [re.split(r"\s{2,}", line) for line in console.say("showRules()").splitlines()]
    assert rows[1][1:] == ["nothing", "3 qname in nx.test.", "set rcode 3"]
    assert rows[2][1:] == ["1 qname in drop.test.", "drop"]
    stats = dict(re.findall(r"(\S+)\s*\t\s*(\d+)", console.say("dumpStats()")))
    assert (stats["rule-nxdomain"], stats["rule-drop"], stats["self-answered"]) == ("3", "1", "3")
    assert stats["queries"] == "5" and stats["responses"] == "1"


@pytest.mark.parametrize("where", ["ours", "dnsdist"])
def test_queries_and_answers_are_logged_line_by_line(where, lab, start, tmp_path):  # noqa: F811
    one, port = lab.backend(), free_port()
    path, answers = tmp_path / "queries.log", tmp_path / "answers.log"
    path.write_text("old\n")
    text = (f'setLocal("127.0.0.1:{port}")\nsetSecurityPollSuffix("")\n'
            f'addAction("log.test", LogAction("{path}", false, false, false))\n'
            f'addResponseAction("log.test", LogResponseAction("{answers}", true, false))\n'
            + server(one, "DNS1"))
    if where == "dnsdist":
        (tmp_path / "real.conf").write_text(text)
        start(ek.tool("dnsdist"), "--supervised", "--disable-syslog", "-C",
              tmp_path / "real.conf", notify=True).wait_ready()
    else:
        lab.balancer(text, "--workers", "2").ready()
    with client("127.0.0.1", port) as s:
        me = s.getsockname()[1]
        for name in ("a.log.test", "other.test", "B.log.test"):
            ask(s, test_balancer.query(name, qid=0x0707))
    for log, line in ((path, "Packet from {} for {} A with id 1799"),
                      (answers, "Answer to {} for {} A (No Error) with id 1799")):
        test_balancer.until(lambda: log.read_text().count("\n") >= 2, "two lines")  # noqa: B023
        assert log.read_text().splitlines() == [
            line.format(f"127.0.0.1:{me}", name) for name in ("a.log.test.", "B.log.test.")]
