# SPDX-License-Identifier: BSD-3-Clause
"""What the console says of packet caches and takes out of them: the same commands, after the same
queries, on our balancer and on a real dnsdist, say the same."""
import dns.message
import pytest

import ek
from test_balancer import PATIENCE, Backend, ask, client, free_port, lab, query, until  # noqa: F401
from test_console import KEY, say

PROGRAM = ek.program("balancer")


class Recording(Backend):
    """With a record of a TTL, so that its answers are cached."""

    def answer(self, data):
        m = super().answer(data)
        if b"\x0croot-servers" in data:
            return m
        kind = data[-4:-2]
        length = b"\0\4\x7f\0\0\1" if kind == b"\0\1" else b"\0\x10" + bytes(15) + b"\1"
        ttl = b"\0\0\0\1" if b"short" in data else b"\0\0\x0e\x10"
        return m[:6] + b"\0\1" + m[8:] + b"\xc0\x0c" + kind + b"\0\1" + ttl + length


NAMES = ["a.example.org", "b.example.org", "a.b.example.org", "example.org", "example.com"]


@pytest.fixture(params=["balancer", "dnsdist"])
def asked(request, lab, start, tmp_path):  # noqa: F811
    """say(command) of a program whose cache holds NAMES, for A and AAAA."""
    one, port, control = Recording(), free_port("127.0.0.1"), free_port()
    lab.parts.append(one)
    config = (f'setLocal("127.0.0.1:{port}")\ncontrolSocket("127.0.0.1:{control}")\n'
              f'setKey("{KEY}")\nnewServer{{address="{one.where()}", name="S"}}:setUp()\n'
              'getPool(""):setCache(newPacketCache(1000))\n'
              'getPool("empty")\n')
    if request.param == "balancer":
        file = lab.balancer(config).ready().file
    else:
        file = tmp_path / "dnsdist.conf"
        file.write_text(config)
        start(ek.tool("dnsdist"), "--supervised", "-C", file, "--disable-syslog",
              notify=True).wait_ready()
    with client("127.0.0.1", port) as s:
        for _ in range(2):
            for name in NAMES:
                for kind in ("A", "AAAA"):
                    ask(s, dns.message.make_query(name, kind))
    yield lambda command: say(PROGRAM, file, command)


def test_a_cache_is_told_of_and_emptied_by_name_and_count(asked):
    cache = 'getPool(""):getCache():'
    assert asked(cache + "printStats()") == (
        "Entries: 10/1000\nHits: 10\nMisses: 10\nDeferred inserts: 0\nDeferred lookups: 0\n"
        "Lookup Collisions: 0\nInsert Collisions: 0\nTTL Too Shorts: 0\n")
    assert '"entries": 10, "hits": 10,' in asked(cache + "getStats()")
    assert asked(cache + "toString()") == "10/1000\n"
    assert asked(cache + 'expungeByName("nobody.example.")') == "Expunged 0 records\n"
    assert asked(cache + 'expungeByName(newDNSName("A.example.org."), DNSQType.A)') == \
        "Expunged 1 records\n"
    assert asked(cache + 'expungeByName("a.example.org")') == "Expunged 1 records\n"
    assert asked(cache + 'expungeByName("example.org", DNSQType.AAAA, true)') == \
        "Expunged 3 records\n"
    assert asked(cache + 'expungeByName("example.org", DNSQType.ANY, true)') == \
        "Expunged 3 records\n"
    assert asked(cache + "purgeExpired(0)") == "0\n"
    assert asked(cache + "toString()") == "2/1000\n"
    assert asked(cache + "expunge(0)") == "2\n"
    assert asked(cache + "toString()") == "0/1000\n"


def test_what_dnsdist_hasnt(lab):  # noqa: F811
    one, port, control = Recording(), free_port("127.0.0.1"), free_port()
    lab.parts.append(one)
    b = lab.balancer(
        f'setLocal("127.0.0.1:{port}")\ncontrolSocket("127.0.0.1:{control}")\n'
        f'setKey("{KEY}")\nnewServer{{address="{one.where()}", name="S"}}:setUp()\n'
        'getPool(""):setCache(newPacketCache(2))\ngetPool("empty")\n').ready()
    with client("127.0.0.1", port) as s:
        for name in ("a.short.example", "b.short.example", "c.short.example"):
            ask(s, query(name))

    def console(command):
        return say(PROGRAM, b.file, command)
    assert console("getCache():isFull()") == "true\n"
    assert console("getCache():getEntriesCount()") == console("getCache():size()") == "2\n"
    assert console("getCache():getMaxEntries()") == "2\n"
    assert console("getCache():expunge(1)") == "1\n"
    until(lambda: console("getCache():purgeExpired()") == "1\n", "what has expired")
    assert console("getCache():isFull()") == "false\n"
    for command, line in [
        ('getPool("empty"):getCache()', "getCache: the pool 'empty' has no packet cache"),
        ('getPool("none")', "getPool: there is no pool 'none'"),
        ('getCache():expungeByName("a..b")', "expungeByName: 'a..b': expected a name"),
        ("getCache():expungeByName({})", "expungeByName: 'table': expected a name"),
        ('getCache():expungeByName("a", 70000)', "expungeByName: '70000': expected a type, as "
                                                 "DNSQType.A"),
        ("getCache():expunge(-1)", "expunge: '-1': expected 0 to 4294967295"),
    ]:
        assert line in console(command)
