# SPDX-License-Identifier: BSD-3-Clause
"""The balancers' packet cache: the program on loopback, and scenarios in virtual time whose claims
about it hold, and don't when the cache is off, cold or asked too much of."""
import json
import subprocess

import dns.message
import dns.rrset
import pytest

import ek
import test_balancer
from test_balancer import lab  # noqa: F401: a fixture

CACHE = 'getPool(""):setCache(newPacketCache(100, {{{}}}))\n'


class Answering(test_balancer.Backend):
    """Answers with a record of 300 s, or as rcode says without one."""
    rcode = 0

    def answer(self, data):
        q = dns.message.from_wire(data)
        a = dns.message.make_response(q)
        a.set_rcode(self.rcode)
        if self.rcode == 0:
            a.answer.append(dns.rrset.from_text(q.question[0].name, 300, "IN", "A", "192.0.2.9"))
        return a.to_wire()


def start(lab, keys="", *flags):  # noqa: F811
    one, port = Answering(), test_balancer.free_port("127.0.0.1")
    lab.parts.append(one)
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\n' + test_balancer.server(one, "DNS1")
                     + CACHE.format(keys), *flags)
    return one, b.ready(), port


def test_a_name_is_asked_of_the_server_once(lab):  # noqa: F811
    one, b, port = start(lab, "", "--workers", "2")
    for i in range(10):  # sockets of their own, so that both workers are asked
        with test_balancer.client("127.0.0.1", port) as s:
            for name in ("www.example.org", "WWW.eXample.ORG"):
                q = test_balancer.query(name, qid=i)
                a = test_balancer.ask(s, q)
                assert a.id == i and a.question[0].name.to_text() == name + "."
                assert a.answer[0][0].to_text() == "192.0.2.9" and a.answer[0].ttl <= 300
    assert len(one.queries) == 1
    c = b.counters()
    assert (c["cache-hits"], c["cache-misses"], c["cache-entries"]) == (19, 1, 1)
    assert (c["forwarded"], c["answered"], c["outstanding"]) == (1, 1, 0)


def test_a_failure_is_asked_again_where_none_is_cached(lab):  # noqa: F811
    one, b, port = start(lab, "temporaryFailureTTL=0")
    one.rcode = 2
    with test_balancer.client("127.0.0.1", port) as s:
        for _ in range(3):
            assert test_balancer.ask(s, test_balancer.query()).rcode() == 2
    assert len(one.queries) == 3
    assert b.counters()["cache-hits"] == 0


def test_a_bad_cache_is_one_line(tmp_path):
    conf = tmp_path / "dnsdist.conf"
    conf.write_text('newServer("192.0.2.1")\n' + CACHE.format("maxTTL=-1"))
    done = subprocess.run([test_balancer.PROGRAM, "--check-config", "-C", conf], text=True,
                          capture_output=True, timeout=20)
    assert done.returncode == 1
    assert done.stdout == (f"Fatal Lua error: {conf}:2: newPacketCache: maxTTL: '-1': expected a "
                           "whole number from 0 to 2147483647\n")


# ---- scenarios ----

def virtual(tmp_path, *args, name="out", text=None):
    """balancer-cache.lua in virtual time, changed; (verdict document, run directory)."""
    folder = tmp_path / "scenarios"
    if not folder.exists():
        folder.mkdir()
        for path in ("balancer-cache.lua", "conf/cache.conf", "blog/recursor.conf"):
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text((ek.SCENARIOS / path).read_text())
    path = folder / "balancer-cache.lua"
    if text is not None:
        path.write_text(path.read_text() + text)
    out = tmp_path / name
    done = subprocess.run([ek.program("evenkeel"), "run", "--engine", "virtual", "--out", out,
                           *args, path], capture_output=True, text=True, timeout=120)
    assert done.returncode in (ek.PASS, ek.FAIL, ek.INCONCLUSIVE), done.stdout + done.stderr
    return json.loads((out / "verdict.json").read_text()), out


def expectation(doc, kind):
    return next(e for e in doc["expectations"] if e["kind"] == kind)


def totals(doc):
    return [(b["queries"], b["hits"], b["forwarded"]) for b in doc["balancers"]]


def test_the_stream_and_the_captures_say_the_same(tmp_path):
    doc, out = virtual(tmp_path)
    assert doc["verdict"] == "PASS"
    assert all(q == hits + forwarded for q, hits, forwarded in totals(doc))
    assert sum(s["queries"] for s in doc["servers"]) == sum(f for _, _, f in totals(doc))
    before = (out / "verdict.json").read_bytes()
    done = subprocess.run([ek.program("evenkeel"), "judge", out], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == ek.PASS, done.stdout + done.stderr
    assert (out / "verdict.json").read_bytes() == before


def test_more_hits_than_there_can_be_fail(tmp_path):
    doc, _ = virtual(tmp_path, "--set", "expect.cache.hits=0.95")
    assert expectation(doc, "cache")["verdict"] == "FAIL"
    assert "asked no recursor for them" in expectation(doc, "cache")["why"]
    assert expectation(doc, "even")["verdict"] == "PASS"


def test_a_cache_that_keeps_nothing_fails(tmp_path):
    virtual(tmp_path, name="whole")
    conf = tmp_path / "scenarios/conf/cache.conf"
    conf.write_text(conf.read_text().replace("maxTTL=86400", "maxTTL=0"))
    doc, _ = virtual(tmp_path, name="off")
    assert expectation(doc, "cache")["verdict"] == "FAIL"
    assert [hits for _, hits, _ in totals(doc)] == [0, 0]
    assert expectation(doc, "even")["verdict"] == "PASS"


def test_a_restarted_balancer_is_cold(tmp_path):
    """The other one, which keeps its cache, asks no more than before."""
    warm, _ = virtual(tmp_path, name="warm")
    cold, _ = virtual(tmp_path, name="cold",
                      text='at "7s" { kill = "LB1" }\nat "7100ms" { start = "LB1" }\n')
    (_, _, one), (_, _, two) = totals(warm)
    (_, _, again), (_, _, same) = totals(cold)
    assert again > one + 300 and same == two


def test_a_share_of_what_may_never_be_forwarded_is_refused(tmp_path):
    """Under wrandom the sample that even needs may never be forwarded."""
    virtual(tmp_path, name="turns")
    conf = tmp_path / "scenarios/conf/cache.conf"
    conf.write_text(conf.read_text().replace("roundrobin", "wrandom"))
    done = subprocess.run([ek.program("evenkeel"), "plan",
                           tmp_path / "scenarios/balancer-cache.lua"], capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == ek.USAGE
    assert "expect.even: names that repeat may be in a balancer's packet cache" in done.stderr
    assert done.stderr.endswith("expected unique() names\n")


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_kill_in_front_of_hits_is_no_trouble(tmp_path, seed):
    """Hardly a query goes to a dead recursor when most are hits: that isn't INVALID."""
    doc, _ = virtual(tmp_path, "--seed", str(seed), name=f"seed{seed}",
                     text='at "5s" { kill = "DNS1" }\nat "9s" { start = "DNS1" }\n')
    assert doc["verdict"] in ("PASS", "FAIL") and doc["invalid"] == []
    assert expectation(doc, "even")["verdict"] == "PASS"
