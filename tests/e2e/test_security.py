# SPDX-License-Identifier: BSD-3-Clause
"""What docs/security.md promises of the balancer, each against the running program: what a forger
would have to guess, what becomes of forged, late and hostile messages, what is left of its
privileges, and the systemd unit. What console and web server let in is in test_console.py and
test_web.py."""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

import ek
import test_balancer
from test_balancer import (PATIENCE, PROGRAM, Backend, Balancer, ask, client,  # noqa: F401
                           free_port, lab, query, server, until)
from test_reload import reload, stop

UNIT = ek.ROOT / "balancer" / "balancer.service"
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


class Quiet(Backend):
    """Answers health checks alone; the test answers the rest, from where it likes."""

    def answer(self, data):
        return super().answer(data) if b"\x0croot-servers" in data else b""

    def good(self, i=-1):
        data, peer = until(lambda: self.queries, "a query")[i]
        return super().answer(data), peer


@pytest.fixture
def quiet(lab):
    """(backend, balancer, connected client) with one query on its way."""
    one, port = Quiet(), free_port("127.0.0.1")
    lab.parts.append(one)
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\nsetUDPTimeout(1)\n'
                     + server(one, "DNS1")).ready()
    with client("127.0.0.1", port) as s:
        yield one, b, s


# ---- what is to be guessed ----

def test_ids_and_source_ports_differ_from_start_to_start(lab):
    one, port = lab.backend(), free_port("127.0.0.1")
    seen = []
    for _ in range(3):
        one.queries.clear()
        b = lab.balancer(f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1", ", sockets=4"),
                         "-w", "1").ready()
        with client("127.0.0.1", port) as s:
            for _ in range(40):
                ask(s, query())
        stop(b)
        ports = [peer[1] for _, peer in one.queries]
        assert len(set(ports)) == 4
        seen.append(([data[:2] for data, _ in one.queries], set(ports)))
    assert len({tuple(ids) for ids, _ in seen}) == 3
    assert not seen[0][1] & seen[1][1] & seen[2][1]


def test_a_forger_who_guesses_all_but_one_thing_is_counted_and_costs_nothing(quiet):
    one, b, s = quiet
    s.send(query("www.example.org").to_wire())
    good, peer = one.good()
    wrong = {
        "unmatched": [bytes([good[0] ^ 1]) + good[1:],
                      good[:1] + bytes([good[1] ^ 0x80]) + good[2:]],
        "wrong-question": [good.replace(b"\x03www", b"\x03wwx"),
                           good.replace(b"\x00\x01\x00\x01", b"\x00\x1c\x00\x01", 1),
                           good.replace(b"\x00\x01\x00\x01", b"\x00\x01\x00\x03", 1)],
        "noncompliant-responses": [good[:2] + bytes([good[2] & 0x7f]) + good[3:], good[:11],
                                   good[:4] + bytes(8), good[:20]],
    }
    for messages in wrong.values():
        for m in messages:
            one.socket.sendto(m, peer)
    for name, messages in wrong.items():
        n = len(messages) + (name == "noncompliant-responses")  # Quiet's empty one
        until(lambda: b.counters()[name] == n, f"{name} = {n}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:  # right but for the port
        stranger.sendto(good, peer)
    assert b.counters()["outstanding"] == 1 and b.counters()["answered"] == 0
    one.socket.sendto(good, peer)  # and yet the true one counts
    assert dns.message.from_wire(s.recv(4096)).rcode() == dns.rcode.NOERROR
    one.socket.sendto(good, peer)  # once
    until(lambda: b.counters()["unmatched"] == 3, "the second one")
    assert b.counters()["answered"] == 1


def test_a_late_answer_is_counted_and_dropped(quiet):
    one, b, s = quiet
    s.send(query().to_wire())
    good, peer = one.good()
    until(lambda: b.counters()["timeouts"] == 1, "the time-out")
    one.socket.sendto(good, peer)
    until(lambda: b.counters()["unmatched"] == 1, "the late answer")
    s.setblocking(False)
    with pytest.raises(BlockingIOError):
        s.recv(4096)


@pytest.mark.parametrize("cache", ["", 'getPool(""):setCache(newPacketCache(100))\n'])
def test_the_letters_of_a_name_are_kept_both_ways(lab, cache):
    """0x20: a client, or the server behind, may check them."""
    class Lower(Backend):
        def answer(self, data):  # with a record, so that it can be cached
            record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1"
            m = super().answer(data)
            return m[:6] + b"\0\1" + m[8:] + record if b"\x0croot-servers" not in data else m
    one, port = Lower(), free_port("127.0.0.1")
    lab.parts.append(one)
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\n' + cache + server(one, "DNS1")).ready()
    names = ["wWw.ExAmPlE.oRg.", "WwW.eXaMpLe.OrG.", "www.EXAMPLE.org."]
    with client("127.0.0.1", port) as s:
        for name in names:
            q = dns.message.make_query(name, "A")
            wire = q.to_wire()
            s.send(wire)
            got = s.recv(4096)
            assert got[12:len(wire)] == wire[12:]
    sent = [data[12:] for data, _ in one.queries]
    wires = [dns.message.make_query(name, "A").to_wire()[12:] for name in names]
    assert sent == (wires[:1] if cache else wires)
    assert b.counters()["cache-hits"] == (2 if cache else 0)


# ---- what it costs, and whom ----

def test_what_is_answered_here_is_no_longer_than_what_was_asked(lab):
    port = free_port("127.0.0.1")
    lab.balancer(f'setLocal("127.0.0.1:{port}")\nsetServFailWhenNoServer(true)\n').ready()
    queries = [query().to_wire(), query(use_edns=0, payload=4096).to_wire(),
               query(use_edns=0, options=[dns.edns.GenericOption(10, b"12345678")]).to_wire(),
               query().to_wire()[:4] + bytes(8), query().to_wire()[:4] + bytes(8) + b"x" * 300]
    with client("127.0.0.1", port) as s:
        for q in queries:
            s.send(q)
            assert len(s.recv(4096)) <= len(q)


def test_rubbish_gets_no_answer_and_is_counted(lab):
    one, port = lab.backend(), free_port("127.0.0.1")
    b = lab.balancer(f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1")).ready()
    good = query().to_wire()
    rubbish = [b"", b"x", good[:11], good[:15], bytes([good[0], good[1], 0x81]) + good[3:],
               good[:12] + b"\xc0\x0c\0\1\0\1", good[:12] + b"\x40" + good[13:], b"\xff" * 500]
    with client("127.0.0.1", port) as s:
        for r in rubbish:
            s.send(r)
        assert ask(s, query(qid=7)).id == 7  # the first that is answered
    c = b.counters()
    assert c["short"] + c["broken"] + c["noncompliant-queries"] == len(rubbish)
    assert c["forwarded"] == 1


# ---- secrets ----

def test_secrets_are_compared_by_libsodium_alone():
    """Neither what checks passwords and API keys nor what opens the console's messages knows a way
    to compare bytes that stops at the first difference."""
    nm = ek.tool("nm")
    objects = sorted(ek.ROOT.glob("build/release-gcc/obj/balancer"))
    if not objects:
        pytest.skip("not built with gcc")
    for name, wanted in (("config/password", "sodium_memcmp"),
                         ("admin/link", "crypto_secretbox_open_easy"),
                         ("admin/route", "password_ok")):
        needs = subprocess.run([nm, "-u", objects[0] / f"{name}.o"], capture_output=True,
                               text=True, check=True).stdout.split()
        assert wanted in needs, name
        assert not {"memcmp", "bcmp"} & set(needs), name
    assert "strcmp" not in subprocess.run(
        [nm, "-u", objects[0] / "config/password.o"], capture_output=True, text=True,
        check=True).stdout.split()


# ---- privileges ----

def statuses(pid):
    """What /proc says of each thread."""
    for task in ek.tasks(pid):
        yield dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines()
                   if ":\t" in line)


def low_port():
    return next(p for p in range(700, 1024) if ek.is_free("127.0.0.1", p))


@pytest.fixture
def public(lab):
    """public(config, flags...): a balancer in a folder that everybody may use, unlike pytest's."""
    folder, umask = pathlib.Path(tempfile.mkdtemp(prefix="ek-security-")), os.umask(0)
    folder.chmod(0o777)

    def begin(config, *flags):
        b = Balancer(folder, config, *flags)
        lab.parts.append(b)
        return b
    yield begin
    os.umask(umask)
    shutil.rmtree(folder)


@as_root
def test_root_is_given_up_for_good_after_binding(lab, public):
    one, port, control = lab.backend(), low_port(), free_port()
    config = (f'setLocal("127.0.0.1:{port}")\ncontrolSocket("127.0.0.1:{control}")\n'
              + server(one, "DNS1"))
    b = public(config, "-u", str(NOBODY), "-g", str(NOBODY), "-w", "2").ready()
    with client("127.0.0.1", port) as s:
        ask(s, query())
    threads = list(statuses(b.process.pid))
    assert len(threads) >= 4  # main, console, two workers
    for t in threads:
        assert set(t["Uid"].split()) == set(t["Gid"].split()) == {str(NOBODY)}
        assert not t["Groups"].split() and t["NoNewPrivs"] == "1"
        assert {int(t["Cap" + c], 16) for c in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {0}
    reload(b, config + server(one, "DNS2"))
    other = next(p for p in range(port + 1, 1024) if ek.is_free("127.0.0.1", p))
    reload(b, config + f'addLocal("127.0.0.1:{other}")\n', good=False)
    with client("127.0.0.1", port) as s:
        ask(s, query())
    assert f"can't listen on 127.0.0.1:{other}: Permission denied" in stop(b)


@as_root
def test_a_group_alone_is_given_up_with_all_others(lab):
    b = lab.balancer(f'setLocal("127.0.0.1:{free_port()}")\n', "-g", str(NOBODY)).ready()
    for t in statuses(b.process.pid):
        assert set(t["Gid"].split()) == {str(NOBODY)} and not t["Groups"].split()


@pytest.mark.parametrize("flag", ["-u", "-g"])
def test_nobody_knows_this_name(lab, flag):
    b = lab.balancer(f'setLocal("127.0.0.1:{free_port()}")\n', flag, "no-such-name-here")
    assert b.process.wait(PATIENCE) == 1
    assert b.process.stderr.read() == (f"Fatal error: {flag} no-such-name-here: No such file or "
                                       "directory\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may")
def test_an_ordinary_user_cant_become_another(lab):
    b = lab.balancer(f'setLocal("127.0.0.1:{free_port()}")\n', "-u", "0")
    assert b.process.wait(PATIENCE) == 1
    assert b.process.stderr.read() == "Fatal error: -u 0: Operation not permitted\n"


# ---- the supervisor ----

def test_the_unit_is_what_systemd_understands_and_leaves_little_open(tmp_path):
    analyze = ek.tool("systemd-analyze")
    unit = tmp_path / "balancer.service"
    unit.write_text(UNIT.read_text().replace("@bindir@", str(pathlib.Path(PROGRAM).parent)))
    done = subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True, text=True,
                          timeout=60, check=False)
    if "Failed to" in done.stderr and done.returncode:
        pytest.skip(f"systemd-analyze can't work here: {done.stderr.strip()}")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    done = subprocess.run([analyze, "security", "--offline=true", "--threshold=20", unit],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-300:]  # dnsdist's own unit has 2.1
    assert float(re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)[1]) < 2.0


@as_root
def test_it_works_with_no_more_than_what_the_unit_gives(lab, public, monkeypatch, tmp_path):
    """Without root from the start, low ports by the one capability, which a reload can use."""
    setpriv, cap = ek.tool("setpriv"), "+net_bind_service"
    wrapper = tmp_path / "balancer"
    wrapper.write_text(f"#!/bin/sh\nexec {setpriv} --reuid {NOBODY} --regid {NOBODY} "
                       f"--clear-groups --bounding-set -all,{cap} --inh-caps -all,{cap} "
                       f'--ambient-caps -all,{cap} --no-new-privs {PROGRAM} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setattr(test_balancer, "PROGRAM", wrapper)
    one, port = lab.backend(), low_port()
    config = f'setLocal("127.0.0.1:{port}")\n' + server(one, "DNS1")
    b = public(config).ready()
    other = next(n for n in range(port + 1, 1024) if ek.is_free("127.0.0.1", n))
    reload(b, config + f'addLocal("127.0.0.1:{other}")\n')
    for where in (port, other):
        with client("127.0.0.1", where) as s:
            ask(s, query())
    assert {int(t["CapEff"], 16) for t in statuses(b.process.pid)} == {1 << 10}
    b.process.terminate()
    assert b.notify.recv(100) == b"STOPPING=1"
    assert b.process.wait(PATIENCE) == 0 and b.process.stderr.read() == ""
