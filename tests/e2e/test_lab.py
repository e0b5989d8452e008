# SPDX-License-Identifier: BSD-3-Clause
"""The netns engine: what it leaves behind (nothing), whether the kernel's counters and the captures
agree, that faults are proven, that labs don't meet. As an ordinary user wherever possible. These
tests look at events and captures, not at verdicts, so a busy machine doesn't make them fail."""
import atexit
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import time

import pytest

import ek

pytestmark = pytest.mark.lab
NOBODY = 65534
OTHER_TESTS = ("evenkeel-test-", "evenkeel-fuzz-")  # which may run beside these

SCENARIO = """
lab {
  balancers = { LB1 = { "192.160.102.2", "2605:e200:d000::2" },
                LB2 = { "192.160.102.3", "2605:e200:d000::3" }, config = "blog/dnsdist.conf" },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "5ms" },
  clients = { net = "192.160.102.128/25", count = 10, choose = "per_query" },
  links = { delay = "50us" },
}
load { rate = 200, to = "%s", names = zipf(50), timeout = "500ms", tries = 1 }
%s
expect { answers { wrong = 0, duplicate = 0 } }
"""


@functools.cache
def reachable_folder():
    """Copies of our programs that any user can execute: the tree may lie in somebody's home."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="evenkeel-test-bin-"))
    atexit.register(shutil.rmtree, folder)
    folder.chmod(0o755)
    for name in ("evenkeel", "balancer", "recursor-stub"):
        shutil.copy(ek.program(name), folder / name)
        (folder / name).chmod(0o755)
    return folder


def reachable(name):
    return str(reachable_folder() / name)


@pytest.fixture
def room():
    """A directory that an ordinary user may write, with the reference configuration in it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="evenkeel-test-"))
    shutil.copytree(ek.SCENARIOS / "blog", path / "blog")
    path.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    yield path
    shutil.rmtree(path)


def scenario(room, faults="", to="1s", name="lab"):
    path = room / f"{name}.lua"
    path.write_text(SCENARIO % (to, faults))
    return path


def as_nobody():
    if os.geteuid() == 0:
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return []


def begin(out, path, *args):
    """evenkeel run, as an ordinary user."""
    return subprocess.Popen([*as_nobody(), reachable("evenkeel"), "run", "--out", str(out), *args,
                             str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(run, timeout=60):
    out, err = run.communicate(timeout=timeout)
    if run.returncode == ek.CANT:
        ek.cant_lab(err.strip())
    assert run.returncode in (ek.PASS, ek.FAIL, ek.INCONCLUSIVE, ek.INVALID), out + err
    return out


def events(out, kind=None):
    lines = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    return [e for e in lines if kind in (None, e["event"])]


def in_order_records(path):
    """Number of records of a nanosecond capture, each checked to be whole and not to run back."""
    data, at, last, n = path.read_bytes(), 24, 0, 0
    assert struct.unpack("<I", data[:4])[0] == 0xa1b23c4d
    while at < len(data):
        sec, ns, cap, orig = struct.unpack("<IIII", data[at:at + 16])
        assert cap == orig and sec * 10**9 + ns >= last
        last, at, n = sec * 10**9 + ns, at + 16 + cap, n + 1
    assert at == len(data)
    return n


def descendants(pid):
    """All processes below pid."""
    children = {}
    for p in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(p.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(p.parent.name))
    found, todo = [], [pid]
    while todo:
        todo += (more := children.get(todo.pop(), []))
        found += more
    return found


def comms(pids):
    return {p: _read(f"/proc/{p}/comm").strip() for p in pids}


def _read(path):
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return ""


def nets(pids):
    found = set()
    for p in pids:
        try:
            found.add(os.readlink(f"/proc/{p}/ns/net"))
        except OSError:
            pass
    return found


def everything():
    """What a run might leave: mounts of ours, interfaces, files."""
    return ([m for m in _read("/proc/self/mounts").splitlines() if m.startswith("evenkeel")],
            sorted(os.listdir("/sys/class/net")),
            sorted(n for n in os.listdir("/tmp")
                   if "evenkeel" in n and not n.startswith(OTHER_TESTS)))


def all_nets():
    return nets(int(p) for p in os.listdir("/proc") if p.isdigit())


def sent(out):
    """True once queries flow."""
    path = out / "clients.pcap"
    return path.exists() and '"event":"start"' in _read(out / "events.jsonl")


def assert_counters_equal_captures(out):
    pcap = {e["node"]: e for e in events(out, "pcap")}
    nodes = events(out, "node")
    assert len(nodes) == len(pcap) > 0
    for e in nodes:
        assert e["if_sent"] == e["wire_took"] and e["if_received"] == e["wire_gave"], e
        assert e["if_drops"] == 0
        path = out / f"{e['node']}.pcap"
        assert in_order_records(path) == e["if_sent"] + e["if_received"]
        assert pcap[e["node"]]["bytes"] == path.stat().st_size


def test_programs_waits_for_a_processor_are_told(room):
    """By the kernel's count, of each node that runs one; the report has the greatest."""
    out = room / "out"
    finish(begin(out, scenario(room)))
    if not os.path.exists("/proc/self/schedstat"):
        pytest.skip("this kernel doesn't count")
    waits = {e["node"]: e["wait_max_us"] for e in events(out, "node") if "wait_max_us" in e}
    programs = {e["node"] for e in events(out, "process")}
    assert set(waits) == programs and all(0 <= w < 10**7 for w in waits.values()), waits
    doc = json.loads((out / "verdict.json").read_text())
    assert doc["harness"]["program_wait_max_us"] == max(waits.values()) > 0


def test_counters_of_the_kernel_equal_the_frames_in_the_captures(room):
    out = room / "out"
    finish(begin(out, scenario(room)))
    assert_counters_equal_captures(out)
    assert events(out, "wire")[0]["drops"] == 0
    assert events(out, "load")[0]["answered"] > 100
    assert events(out, "end")


def test_nothing_is_left_behind_after_a_run(room):
    before = everything()
    run = begin(room / "out", scenario(room))
    ek.wait_until(lambda: "ek-wire" in comms(descendants(run.pid)).values(), "the wire")
    ours = nets(descendants(run.pid)) - nets([os.getpid()])
    finish(run)
    assert ours and not ours & all_nets()
    assert everything() == before


def test_nothing_is_left_behind_after_kill_9(room):
    before = everything()
    out = room / "out"
    run = begin(out, scenario(room, to="30s"))
    ek.wait_until(lambda: run.poll() is not None or sent(out), "the load", 30)
    if run.poll() is not None:
        finish(run)
    below = descendants(run.pid)
    ours = nets(below) - nets([os.getpid()])
    assert len(below) >= 6 and len(ours) >= 5
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    run.stderr.close()
    ek.wait_until(lambda: not any(pathlib.Path(f"/proc/{p}").exists() for p in below), "the end")
    # Labs of other tests may get the same inode numbers for theirs, and then let them go too.
    ek.wait_until(lambda: not ours & all_nets(), "the namespaces' end", 60)
    assert everything() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_tidily_and_makes_it_invalid(room, number):
    out = room / "out"
    run = begin(out, scenario(room, to="30s"))
    ek.wait_until(lambda: run.poll() is not None or sent(out), "the load", 30)
    begun = time.monotonic()
    run.send_signal(number)
    finish(run)
    assert run.returncode == ek.INVALID
    assert time.monotonic() - begun < 10
    assert any("early" in e["what"] for e in events(out, "trouble"))
    assert events(out, "end")


FAULTS = """
at "200ms" { kill = "DNS1" }
at "500ms" { start = "DNS1" }
at "1s" { hang = "DNS3" }
at "1200ms" { resume = "DNS3" }
at "1300ms" { blackhole = "LB2" }
at "1500ms" { heal = "LB2" }
"""


def test_every_fault_is_proven(room):
    out = room / "out"
    finish(begin(out, scenario(room, FAULTS, to="2s")))
    faults = events(out, "fault")
    assert sorted(e["kind"] for e in faults) == ["blackhole", "hang", "heal", "kill", "resume",
                                                 "start"]
    for e in faults:
        assert e["verified"], e
        assert e["at_ns"] <= e["from_ns"] <= e["to_ns"]
    assert_counters_equal_captures(out)


def records(path):
    """(unix time in ns, frame) of each record of a capture."""
    data, at = path.read_bytes(), 24
    while at < len(data):
        sec, ns, cap, _ = struct.unpack("<IIII", data[at:at + 16])
        yield sec * 10**9 + ns, data[at + 16:at + 16 + cap]
        at += 16 + cap


def dns_frames(path, port):
    """{(ports, ID): time} of IPv4 datagrams to that port."""
    return {(f[34:38], f[42:44]): t for t, f in records(path)
            if f[12:14] == b"\x08\x00" and f[23] == 17 and f[36:38] == struct.pack(">H", port)}


def test_loss_is_of_the_size_that_was_asked_for(room):
    out = room / "out"
    finish(begin(out, scenario(room, 'at "0s" { loss = "clients", ratio = 0.3 }', to="2s"),
                 "--set", "load.rate=400"))
    fault, load = events(out, "fault")[0], events(out, "load")[0]
    assert fault["verified"], fault
    # 0.3 out and 0.3 in are 0.51 of 800 queries: 408, and five times sigma to both sides.
    assert 337 < load["timed_out"] < 479, load
    assert events(out, "wire")[0]["lost"] >= load["timed_out"]
    assert events(out, "wire")[0]["drops"] == 0
    assert_counters_equal_captures(out)


def test_jitter_duplicates_and_reordering_are_seen_in_the_captures(room):
    out = room / "out"
    faults = """at "300ms" { duplicate = "LB1", ratio = 0.5, way = "in" }
                at "800ms" { jitter = "LB1", by = "4ms", way = "in" }
                at "1300ms" { reorder = "LB1", ratio = 0.3, by = "20ms", way = "in" }"""
    finish(begin(out, scenario(room, faults, to="2s"), "--set", "load.rate=400"))
    told = {e["kind"]: e for e in events(out, "fault")}
    assert len(told) == 3 and all(e["verified"] for e in told.values()), told
    doubled = events(out, "wire")[0]["doubled"]
    # The first fault's proof ends where the next begins; duplicates go on.
    assert doubled >= int(re.search(r"(\d+) doubled", told["duplicate"]["evidence"])[1]) > 20
    received = sum(e["if_received"] for e in events(out, "node"))
    wire = events(out, "wire")[0]
    assert wire["drops"] == 0
    assert wire["frames"] + doubled - wire["lost"] - wire["unroutable"] == received
    t0 = int(events(out, "start")[0]["t0_unix_ns"])
    sent, got = (dns_frames(out / n, 53) for n in ("clients.pcap", "LB1.pcap"))
    way = [(sent[k] - t0, got[k] - sent[k]) for k in sent.keys() & got.keys()]
    assert max(d for t, d in way if t > told["reorder"]["to_ns"]) > 20 * 10**6
    assert_counters_equal_captures(out)


@pytest.mark.parametrize("way", ["in", "out"])
def test_a_cut_one_way_lets_the_other_way_pass(room, way):
    out = room / "out"
    finish(begin(out, scenario(room, f'at "500ms" {{ cut = "LB1", way = "{way}" }}', to="2s")))
    fault = events(out, "fault")[0]
    assert fault["verified"], fault
    t0 = int(events(out, "start")[0]["t0_unix_ns"])
    lb1 = bytes([192, 160, 102, 2])

    def after(name, at):
        """Whether a frame from LB1 (at 26) or to it (at 30) came into that capture after it."""
        return any(t - t0 > fault["to_ns"] and f[12:14] == b"\x08\x00" and f[at:at + 4] == lb1
                   for t, f in records(out / name))
    assert after("LB1.pcap", 26) and after("clients.pcap", 30)  # both sides go on sending
    assert after("LB1.pcap", 30) == (way == "out")
    assert any(after(n, 26) for n in ("DNS1.pcap", "DNS3.pcap")) == (way == "in")
    answered = events(out, "load")[0]["answered"]
    assert 0 < answered < events(out, "load")[0]["planned"] - 20
    assert_counters_equal_captures(out)


STUB = """
at "100ms" { servfail = "DNS1", ratio = 0.2 }
at "100ms" { truncate = "DNS1", ratio = 0.2 }
at "100ms" { slow = "DNS1", by = "30ms", ratio = 0.5 }
at "100ms" { refuse = "DNS3", ratio = 0.2 }
at "100ms" { wrong = "DNS3", ratio = 0.2 }
at "100ms" { drop = "DNS3", ratio = 0.2 }
at "100ms" { loss = "DNS3", ratio = 0.2 }
at "1200ms" { refuse = "DNS3", ratio = 0 }
at "1300ms" { kill = "DNS1" }
at "1500ms" { start = "DNS1" }
at "1400ms" { hang = "LB1" }
at "1600ms" { resume = "LB1" }
at "1400ms" { kill = "LB2" }
at "1600ms" { start = "LB2" }
"""


def test_faults_of_the_stub_compose_and_end_with_their_program(room):
    out = room / "out"
    finish(begin(out, scenario(room, STUB, to="2500ms"), "--set", "load.rate=400"))
    told = events(out, "fault")
    assert len(told) == STUB.count("at ") and all(e["verified"] for e in told), told
    did = [e for e in told if re.fullmatch(r"the stub did it to [1-9]\d* answers", e["evidence"])]
    assert {e["kind"] for e in did} == {"servfail", "truncate", "slow", "refuse", "wrong", "drop"}
    assert_counters_equal_captures(out)


def test_a_delay_is_seen_between_two_captures(room):
    out = room / "out"
    finish(begin(out, scenario(room, 'at "500ms" { delay = "LB1", by = "30ms" }')))
    t0 = int(events(out, "start")[0]["t0_unix_ns"])
    fault = events(out, "fault")[0]
    assert fault["verified"], fault
    sent, got = (dns_frames(out / n, 53) for n in ("clients.pcap", "LB1.pcap"))
    way = [(sent[k] - t0, got[k] - sent[k]) for k in sent.keys() & got.keys()]
    before = [d for t, d in way if 0 <= t < fault["from_ns"]]
    after = [d for t, d in way if t > fault["to_ns"]]
    assert len(before) > 20 and len(after) > 20
    assert min(before) >= 100_000 - 1000 and min(after) >= 30_050_000 - 1000
    assert sorted(before)[len(before) // 2] < 20_000_000


def test_a_fault_of_the_stub_shows_in_its_answers(room):
    out = room / "out"
    finish(begin(out, scenario(room, 'at "0s" { servfail = "DNS3", ratio = 1 }')))
    assert all(e["verified"] for e in events(out, "fault")), events(out, "fault")
    t0 = int(events(out, "start")[0]["t0_unix_ns"])
    rcodes = [f[45] & 15 for t, f in records(out / "DNS3.pcap")
              if t > t0 + 50_000_000 and f[12:14] == b"\x08\x00" and f[23] == 17 and
              f[34:36] == b"\x00\x35"]
    assert len(rcodes) > 5 and set(rcodes) == {2}  # until the balancers have marked it down


def test_two_jobs_run_side_by_side(room):
    paths = [scenario(room, name=n) for n in ("one", "two")]
    begun = time.monotonic()
    finish(begin(room / "out", paths[0], "--jobs", "2", str(paths[1])))
    took = time.monotonic() - begun
    outs = sorted(p.parent for p in room.glob("**/events.jsonl"))
    assert len(outs) == 2
    span = [[int(events(o, "start")[0]["t0_unix_ns"]) + events(o, k)[0]["t_ns"]
             for k in ("start", "end")] for o in outs]
    assert span[0][0] < span[1][1] and span[1][0] < span[0][1], (span, took)
    for out in outs:
        assert_counters_equal_captures(out)


def test_a_supervisor_that_stands_still_makes_the_run_invalid(room):
    out = room / "out"
    run = begin(out, scenario(room, to="3s"))
    ek.wait_until(lambda: run.poll() is not None or sent(out), "the load", 30)
    lab = [p for p, comm in comms(descendants(run.pid)).items() if comm == "ek-lab"]
    if run.poll() is None:
        assert len(lab) == 1
        os.kill(lab[0], signal.SIGSTOP)
        time.sleep(1)  # the sabotage itself
        os.kill(lab[0], signal.SIGCONT)
    finish(run)
    assert run.returncode == ek.INVALID
    assert any("stood still" in e["what"] for e in events(out, "trouble"))


def test_two_labs_at_once_dont_meet(room):
    runs = [begin(room / n, scenario(room, name=n)) for n in ("one", "two")]
    for run, name in zip(runs, ("one", "two")):
        finish(run)
        assert_counters_equal_captures(room / name)
        load = events(room / name, "load")[0]
        assert load["unmatched"] == 0 and load["answered"] > 100


def test_a_program_that_never_is_ready_makes_the_run_invalid(room):
    out = room / "out"
    run = begin(out, scenario(room), "--recursor", "/bin/true")
    finish(run)
    assert run.returncode == ek.INVALID
    said = [e["what"] for e in events(out, "trouble")]
    assert re.fullmatch(r"DNS[13] ended before it was ready: exit status 0; see DNS[13]\.log",
                        said[0]), said


def test_a_lab_of_106_nodes_is_laid_out(room):
    names = [f"R{i}" for i in range(1, 103)]
    (room / "many.conf").write_text(
        'setLocal("0.0.0.0:53")\nsetACL({"192.160.102.0/24"})\nsetServerPolicy(roundrobin)\n' +
        "".join(f'newServer{{address="192.0.2.{i}", name="R{i}"}}\n' for i in range(1, 103)))
    path = room / "many.lua"
    path.write_text(f"""
lab {{ balancers = {{ LB1 = {{ "192.160.102.2" }}, LB2 = {{ "192.160.102.3" }},
                     config = "many.conf" }},
      recursors = {{ {", ".join(f'"{n}"' for n in names)}, config = "blog/recursor.conf" }},
      clients = {{ net = "192.160.102.128/25", count = 10 }} }}
load {{ rate = 100, to = "1s", names = zipf(50), timeout = "500ms" }}
expect {{ answers {{ wrong = 0 }} }}
""")
    out = room / "out"
    finish(begin(out, path, "--recursor", "/bin/true"))
    assert len(events(out, "node")) == 106  # the recursors' authority is one
    assert events(out, "setup")[0]["setup_us"] < 10_000_000
    assert_counters_equal_captures(out)


# What a program with a raw socket might put on its cable: nothing may come out of the wire for it,
# each must be counted, and the wire must live on.
HOSTILE = """#!/usr/bin/python3
import os, socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
mac = bytes(6) + bytes(6)
for tail in ("0800", "080045", "86dd60000000", "0806" + 28 * "00", "080045" + 60 * "ff",
             "08004f" + 19 * "00", "88b50001", "86dd" + 40 * "ff",
             "080045" + 15 * "00" + "7f00000100000000"):
    s.send(mac + bytes.fromhex(tail))
os.execv("%s", ["recursor-stub", *__import__("sys").argv[1:]])
"""


def test_hostile_frames_are_counted_and_go_nowhere(room):
    evil = room / "evil"
    evil.write_text(HOSTILE % reachable("recursor-stub"))
    evil.chmod(0o755)
    out = room / "out"
    finish(begin(out, scenario(room), "--recursor", str(evil)))
    assert_counters_equal_captures(out)
    assert events(out, "wire")[0]["unroutable"] >= 9


def test_a_directory_that_isnt_a_runs_is_not_replaced(room):
    out = room / "mine"
    out.mkdir()
    (out / "letter.txt").write_text("dear")
    done = subprocess.run([reachable("evenkeel"), "run", "--out", str(out), str(scenario(room))],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == ek.USAGE
    assert "isn't a run directory" in done.stderr
    assert (out / "letter.txt").read_text() == "dear"


def test_where_namespaces_are_refused_the_status_is_77_and_the_reason_is_named(room):
    """Nobody has no namespaces in a user namespace that doesn't map it."""
    ek.tool("unshare")
    done = subprocess.run([*as_nobody(), "unshare", "--user", reachable("evenkeel"), "run",
                           "--out", str(room / "out"), str(scenario(room))],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == ek.CANT, done.stderr
    assert "may not make namespaces" in done.stderr or "seccomp" in done.stderr
    assert done.stdout == ""
