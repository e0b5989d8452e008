# SPDX-License-Identifier: BSD-3-Clause
"""Loads that are captured queries: the same capture asks the same in namespaces and in virtual
time, and the verdicts agree; a run's own client capture, asked again, gets the same shares and the
same answers; another capture or another speed than the plan's is noticed."""
import collections
import json
import math
import shutil
import struct
import subprocess

import dns.message
import pytest

import ek
from traffic import ethernet, message, office, pcap, tcp

LAB = """
lab {
  balancers = { LB1 = { "192.160.102.2", "2605:e200:d000::2" },
                LB2 = { "192.160.102.3", "2605:e200:d000::3" }, config = "blog/dnsdist.conf" },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "5ms" },
  clients = { net = "192.160.102.128/25", count = 40 },
  links = { delay = "50us" },
}
"""
EXPECT = """
expect { answers { wrong = 0, duplicate = 0, error = 0 }, lost { at_most = "model" },
         even { "DNS1", "DNS3", catch = 0.2 } }
"""


@pytest.fixture
def room(tmp_path):
    shutil.copytree(ek.SCENARIOS / "blog", tmp_path / "blog")
    return tmp_path


def scenario(room, load, name="replay", expect=EXPECT):
    path = room / f"{name}.lua"
    path.write_text(f"{LAB}load {{ {load} }}\n{expect}")
    return path


def capture(room, packets, name="c.pcap"):
    (room / name).write_bytes(pcap([(t, ethernet(p)) for t, p in packets]))


def frames(path):
    """(src, sport, dst, dport, payload, seq or None, flags) of a pcap's UDP and TCP over IPv4."""
    data = path.read_bytes()
    at, out = 24, []
    while at < len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        ip = data[at + 16 + 14:at + 16 + length]
        at += 16 + length
        if ip[0] >> 4 != 4 or ip[9] not in (6, 17):
            continue
        src, dst = (".".join(map(str, ip[i:i + 4])) for i in (12, 16))
        body = ip[20:struct.unpack_from("!H", ip, 2)[0]]
        sport, dport = struct.unpack_from("!HH", body)
        if ip[9] == 17:
            out.append((src, sport, dst, dport, body[8:], None, 0))
        else:
            out.append((src, sport, dst, dport, body[(body[12] >> 4) * 4:],
                        struct.unpack_from("!I", body, 4)[0], body[13]))
    return out


def messages(path):
    """(transport, src, sport, dst, dport, message) by time; TCP's bytes by their numbers."""
    out, streams = [], {}
    for src, sport, dst, dport, payload, seq, flags in frames(path):
        key = (src, sport, dst, dport)
        if seq is None:
            out.append(("udp", *key, payload))
            continue
        if flags & 2:
            streams[key] = [seq + 1, b""]
        if payload and key in streams and seq == streams[key][0]:
            streams[key] = [seq + len(payload), streams[key][1] + payload]
            while len(streams[key][1]) > 2:
                n = struct.unpack("!H", streams[key][1][:2])[0]
                if len(streams[key][1]) < 2 + n:
                    break
                out.append(("tcp", *key, streams[key][1][2:2 + n]))
                streams[key][1] = streams[key][1][2 + n:]
    return out


def asked(path, ports=False):
    """What each client asked over each transport, in order, IDs apart: server and message; with
    ports, TCP's by connection instead."""
    queries = collections.defaultdict(list)
    for how, src, sport, dst, dport, m in messages(path):
        if dport == 53 and not m[2] & 0x80:
            key = (how, src, sport) if ports and how == "tcp" else (how, src)
            queries[key].append((dst, m[2:]))
    if ports:  # connections have other ports: what was asked on each is what counts
        return sorted((k[1], tuple(v)) for k, v in queries.items() if k[0] == "tcp")
    return queries


def answers(path):
    """How often each question was answered with what, IDs and TTLs apart."""
    found = collections.Counter()
    for _, _, sport, _, _, m in messages(path):
        if sport == 53 and m[2] & 0x80:
            a = dns.message.from_wire(m)
            records = [(r.name, r.rdtype, frozenset(r)) for r in a.answer + a.authority]
            found[(str(a.question[0]), a.rcode(), int(a.flags), frozenset(records))] += 1
    return found


def shares(run):
    """Queries by server name."""
    return {s["name"]: s["queries"] for s in run.doc["servers"]}


def verdicts(run):
    return [(e["kind"], e["verdict"]) for e in run.doc["expectations"]]


def check_same_asked(got, want):
    assert asked(got) == asked(want)
    assert asked(got, ports=True) == asked(want, ports=True)


@pytest.mark.lab
def test_both_engines_ask_the_same_and_agree(room):
    capture(room, office())
    path = scenario(room, 'replay = "c.pcap"')
    virtual = ek.run(path, room / "virtual", "--engine", "virtual")
    netns = ek.run_valid(path, room / "netns", *ek.PATIENT)
    for run in (virtual, netns):
        check_same_asked(run.dir / "clients.pcap", room / "c.pcap")
    assert verdicts(virtual) == verdicts(netns)
    assert {v for _, v in verdicts(netns)} == {"PASS"}
    assert answers(virtual.dir / "clients.pcap") == answers(netns.dir / "clients.pcap")


def test_one_query_out_of_place_is_another_capture(room):
    """The comparison above can fail."""
    packets = office()
    capture(room, packets)
    last = {}
    for i, (t, p) in enumerate(packets):  # two of one client's over UDP change places
        if p[9] == 17 and p[12:16] in last:
            k = last[p[12:16]]
            break
        last[p[12:16]] = i
    packets[i], packets[k] = (packets[i][0], packets[k][1]), (packets[k][0], packets[i][1])
    capture(room, packets, "swapped.pcap")
    run = ek.run(scenario(room, 'replay = "swapped.pcap"'), room / "out", "--engine", "virtual")
    assert run.status == ek.PASS
    assert asked(run.dir / "clients.pcap") == asked(room / "swapped.pcap")
    assert asked(run.dir / "clients.pcap") != asked(room / "c.pcap")


def round_trip(room, *args):
    """A drawn load, and its client capture in the same lab with the same seed."""
    load = 'rate = 400, to = "6s", names = zipf(200), types = { A = 0.6, AAAA = 0.4 }'
    first = ek.run_valid(scenario(room, load, "first"), room / "first", *args)
    assert first.status == ek.PASS, first.text
    again = ek.run_valid(scenario(room, f'replay = "{first.dir}/clients.pcap"', "again"),
                         room / "again", *args)
    assert again.status == ek.PASS, again.text
    return first, again


def check_round_trip(first, again):
    files = [run.dir / "clients.pcap" for run in (first, again)]
    check_same_asked(*files)
    assert answers(files[0]) == answers(files[1])
    a, b = shares(first), shares(again)
    n, m = sum(a.values()), sum(b.values())
    assert n == m == sum(answers(files[0]).values())
    for name in a:  # two samples of one share differ by five standard errors once in 10^6
        p = (a[name] + b[name]) / (n + m)
        assert abs(a[name] / n - b[name] / m) < 5 * math.sqrt(p * (1 - p) * (1 / n + 1 / m)), name


def test_a_round_trip_in_virtual_time(room):
    check_round_trip(*round_trip(room, "--engine", "virtual"))


@pytest.mark.lab
def test_a_round_trip_in_namespaces(room):
    check_round_trip(*round_trip(room, *ek.PATIENT))


@pytest.mark.parametrize("clients, net", [('"map"', "192.160.102."),
                                          ('"192.160.102.192/26"', "192.160.102.")])
def test_foreign_clients_are_mapped_one_to_one(room, clients, net):
    foreign = ("10.%d.0.9", range(8))
    capture(room, office(clients=foreign, servers=("203.0.113.53",)))
    run = ek.run(scenario(room, f'replay = "c.pcap", clients = {clients}'), room / "out",
                 "--engine", "virtual")
    assert run.status == ek.PASS, run.text

    def by_client(path):
        """Each client's questions over UDP, clients in the order of their addresses."""
        got = {src: [m for _, m in v] for (how, src), v in asked(path).items() if how == "udp"}
        return [got[k] for k in sorted(got, key=lambda ip: bytes(map(int, ip.split("."))))]
    assert by_client(run.dir / "clients.pcap") == by_client(room / "c.pcap")
    assert all(src.startswith(net) for _, src in asked(run.dir / "clients.pcap"))


def test_loops_go_on_without_drift(room):
    capture(room, office(200))
    run = ek.run(scenario(room, 'replay = "c.pcap", loop = 5, speed = 3'), room / "out",
                 "--engine", "virtual")
    assert run.status == ek.PASS, run.text
    once, looped = asked(room / "c.pcap"), asked(run.dir / "clients.pcap")
    assert looped == {k: v * 5 for k, v in once.items()}
    assert asked(run.dir / "clients.pcap", ports=True) == sorted(
        5 * asked(room / "c.pcap", ports=True))
    plan = json.loads((run.dir / "plan.json").read_text())["load"][0]
    assert plan["to_ns"] == plan["replay"][0]["period_ns"] * 5 // 3


@pytest.fixture
def over(room):
    """A run that is over, in virtual time."""
    capture(room, office(200))
    run = ek.run(scenario(room, 'replay = "c.pcap"', expect="expect { answers { wrong = 0 } }"),
                 room / "out", "--engine", "virtual")
    assert run.status == ek.PASS
    return run


def test_the_judge_wants_the_plan_s_capture(room, over):
    assert ek.judge(over.dir).status == ek.PASS
    capture(room, office(200, seed=6))
    done = ek.judge(over.dir)
    assert done.status == ek.USAGE
    assert "c.pcap: its sha256 is " in done.text and len(done.text.splitlines()) == 1
    (room / "c.pcap").unlink()
    done = ek.judge(over.dir)
    assert done.status == ek.USAGE and "No such file" in done.text


def test_queries_at_other_times_than_planned_are_noticed(over):
    path = over.dir / "plan.json"
    plan = json.loads(path.read_text())
    plan["load"][0]["replay"][0]["speed_millionths"] = 1_010_000
    path.write_text(json.dumps(plan))
    assert ek.judge(over.dir).status == ek.INVALID


def test_addresses_that_the_lab_refuses_are_one_line(room):
    capture(room, office(clients=("10.%d.0.9", range(8))))
    path = scenario(room, 'replay = "c.pcap"')
    run = ek.run(path, room / "out", "--engine", "virtual")
    assert run.status == ek.USAGE
    assert f"{path}:9: load.replay: the capture's client 10.0.0.9 is outside" in run.text
    path.write_text(path.read_text().replace('"192.160.102.128/25"', '"10.0.0.0/8", "11.0.0.0/8"')
                    .replace('net = "10.0.0.0/8", "11.0.0.0/8"',
                             'net = { "10.0.0.0/8", "11.0.0.0/8" }'))
    run = ek.run(path, room / "out", "--engine", "virtual")
    assert run.status == ek.USAGE and "the ACL refuses" in run.text


def harness(run, key):
    return run.doc["harness"].get(key, 0)


BROKEN = """
at "1s" { kill = "LB1" }
at "2s" { start = "LB1" }
expect { answers { wrong = 0, duplicate = 0 }, lost { at_most = "model" } }
"""


@pytest.mark.parametrize("engine", ["virtual", pytest.param("netns", marks=pytest.mark.lab)])
def test_connections_that_break_go_on_elsewhere(room, engine):
    """Queries whose connection dies, or never comes about, are tried again over TCP."""
    capture(room, office())
    run = ek.run_valid(scenario(room, 'replay = "c.pcap", tries = 2, timeout = "1s"',
                                expect=BROKEN), room / "out", "--engine", engine, *ek.PATIENT)
    assert run.status == ek.PASS, run.text
    assert harness(run, "unplanned_queries") == 0
    assert harness(run, "tcp_unseen") > 0
    again = [m[2:] for how, _, _, _, dport, m in messages(run.dir / "clients.pcap")
             if how == "tcp" and dport == 53]
    first = [m[2:] for how, _, _, _, dport, m in messages(room / "c.pcap") if how == "tcp"]
    assert set(again) == set(first)


@pytest.mark.parametrize("engine", ["virtual", pytest.param("netns", marks=pytest.mark.lab)])
def test_what_is_truncated_goes_to_tcp_beside_what_was_there_anyway(room, engine):
    capture(room, office(300))
    run = ek.run_valid(scenario(room, 'replay = "c.pcap"',
                                expect='at "0s" { truncate = "DNS1", ratio = 0.5 }\n'
                                'expect { answers { wrong = 0, duplicate = 0 } }'),
                       room / "out", "--engine", engine, *ek.PATIENT)
    assert run.status == ek.PASS, run.text
    assert harness(run, "unplanned_queries") == harness(run, "tcp_unseen") == 0
    sent = [m for how, _, _, _, dport, m in messages(run.dir / "clients.pcap")
            if how == "tcp" and dport == 53]
    planned = [m for how, *_, m in messages(room / "c.pcap") if how == "tcp"]
    assert len(sent) > len(planned) + 20  # from some truncated ones


@pytest.mark.parametrize("engine", ["virtual", pytest.param("netns", marks=pytest.mark.lab)])
def test_a_connection_that_the_balancer_closed_is_opened_again(room, engine):
    """dnsdist and ours close one that is silent for two seconds."""
    q = [struct.pack("!H", len(w)) + w for w in
         (message(i, f"n{i}.example.").to_wire() for i in range(3))]
    end = ("192.160.102.130", 5000, "192.160.102.2", 53)
    capture(room, [(0, tcp(*end, 0, 2)), (0.001, tcp(*end, 1, 24, q[0])),
                   (0.5, tcp(*end, 1 + len(q[0]), 24, q[1])),
                   (5, tcp(*end, 1 + 2 * len(q[0]), 24, q[2]))])
    run = ek.run_valid(scenario(room, 'replay = "c.pcap"',
                                expect="expect { lost { at_most = 0 }, answers { wrong = 0 } }"),
                       room / "out", "--engine", engine, *ek.PATIENT)
    assert run.status == ek.PASS, run.text
    ports = [sport for how, _, sport, _, dport, _ in messages(run.dir / "clients.pcap")
             if how == "tcp" and dport == 53]
    assert len(ports) == 3 and ports[0] == ports[1] != ports[2]


def test_whatever_breaks_a_right_system_is_right(room):
    """Timelines of faults drawn by search: the judge follows captured connections through them."""
    capture(room, office())
    path = scenario(room, 'replay = "c.pcap", loop = 3, tries = 3, timeout = "1s"',
                    expect="expect { answers { wrong = 0, duplicate = 0 } }")
    done = subprocess.run([ek.program("evenkeel"), "search", "--runs", "60", "--nodes",
                           "LB1,LB2,DNS1,DNS3", "--faults",
                           "kill,hang,blackhole,delay,jitter,drop,truncate,servfail,slow",
                           "--out", room / "search", path], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == ek.PASS, done.stdout + done.stderr


@pytest.mark.parametrize("name, queries", [
    ("ours-steady", 472), ("debian-steady", 472), ("ours-killed", 317), ("debian-killed", 317),
    ("ours-hung", 317), ("debian-hung", 317), ("ours-tcp", 2 * 92), ("debian-tcp", 2 * 92)])
def test_of_both_sides_of_a_balancer_the_clients_is_taken(room, name, queries):
    """As pcaps/README.md counts them: not the balancer's own queries, nor its health checks."""
    path = ek.ROOT / "pcaps" / "lab" / f"{name}.pcap.gz"
    done = subprocess.run([ek.program("evenkeel"), "plan", "--json",
                           scenario(room, f'replay = "{path}"', expect="")],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == ek.PASS, done.stderr
    load = json.loads(done.stdout)["load"][0]
    assert (load["replay"][0]["queries"], load["clients"]) == (queries, 20)
