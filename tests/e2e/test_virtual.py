# SPDX-License-Identifier: BSD-3-Clause
"""The virtual engine: the same plan gives the same bytes, whatever compiled it, whoever runs it and
wherever it lies in memory; the judge says the same from the captures as from the stream; faults
take effect; no privilege is needed; and what a user gets wrong is one line."""
import atexit
import functools
import hashlib
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import tempfile

import pytest

import ek
import test_tshark

NOBODY = 65534
# A scenario that plans more queries than this, or lasts longer, isn't run in every build.
QUERIES_MAX, SECONDS_MAX = 100_000, 120

LAB = """
lab {{
  balancers = {{ LB1 = {{ "192.160.102.2", "2605:e200:d000::2" }},
                LB2 = {{ "192.160.102.3", "2605:e200:d000::3" }}, config = "blog/dnsdist.conf" }},
  recursors = {{ "DNS1", "DNS3", config = "blog/recursor.conf", miss = "5ms" }},
  clients = {{ four = {{ net = "192.160.102.128/25", count = 20 }},
              six = {{ net = "2605:e200:d000:1::/64", count = 20 }} }},
  links = {{ delay = "50us" }},
}}
load {{ rate = {rate}, to = "{to}", names = zipf(50), timeout = "500ms", clients = "four" }}
load {{ rate = 100, to = "{to}", names = unique(), timeout = "300ms", clients = "six", tries = 2,
       types = {{ A = 0.5, TXT = 0.5 }}, edns = false }}
{faults}
expect {{ answers {{ wrong = 0, duplicate = 0 }} }}
"""
# Every process and link fault once, with what must be seen of it.
FAULTS = """
at "500ms" { kill = "LB1" }
at "1s" { start = "LB1" }
at "1500ms" { hang = "DNS3" }
at "3500ms" { resume = "DNS3" }
at "4500ms" { blackhole = "LB2" }
at "5s" { heal = "LB2" }
at "5500ms" { loss = "DNS1", ratio = 0.3 }
at "6s" { heal = "DNS1" }
at "6500ms" { delay = "four", by = "7ms" }
at "7s" { heal = "four" }
at "7500ms" { truncate = "DNS3", ratio = 0.5 }
at "8s" { truncate = "DNS3", ratio = 0 }
at "8500ms" { kill = "DNS1" }
at "9500ms" { start = "DNS1" }
"""
PROCESS_FAULTS = {"kill": "ended", "start": "READY=1", "hang": "stopped", "resume": "goes on"}


@pytest.fixture(scope="module")
def shelf():
    """A folder that anybody may read, with our programs and scenarios: the tree may be private."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="evenkeel-test-virtual-"))
    shutil.copytree(ek.SCENARIOS, path / "scenarios")
    shutil.copytree(ek.SCENARIOS.parent / "pcaps", path / "pcaps")
    (path / "bin").mkdir()
    for name in ("evenkeel", "balancer", "recursor-stub"):
        shutil.copy(ek.program(name), path / "bin" / name)
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def scenario(folder, faults="", rate=300, to="3s", name="virtual"):
    path = folder / f"{name}.lua"
    if not (folder / "blog").exists():
        shutil.copytree(ek.SCENARIOS / "blog", folder / "blog")
    path.write_text(LAB.format(faults=faults, rate=rate, to=to))
    return path


def run(path, out, *args, program=None, before=(), **popen):
    """evenkeel run --engine virtual."""
    argv = [*before, program or ek.program("evenkeel"), "run", "--engine", "virtual", "--out", out,
            *args, path]
    return subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=120, **popen)


def run_well(path, out, *args, **more):
    """The same, where a verdict about the system must come of it; gives the run directory."""
    done = run(path, out, *args, **more)
    assert done.returncode in (ek.PASS, ek.FAIL, ek.INCONCLUSIVE), done.stdout + done.stderr
    return pathlib.Path(out)


def digests(folder):
    """{file: what its bytes come to}"""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def one_line(done, status=ek.USAGE):
    """The only line of a complaint."""
    assert (done.returncode, done.stdout) == (status, ""), done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def events(out, kind):
    lines = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    return [e for e in lines if e["event"] == kind]


def assert_conserved(out):
    """Each frame is in its sender's capture once, in its receiver's once or twice, or lost."""
    nodes, pcaps, wire = events(out, "node"), events(out, "pcap"), events(out, "wire")[0]
    assert wire["frames"] == sum(e["if_sent"] for e in nodes)
    received = sum(e["if_received"] for e in nodes)
    assert wire["frames"] + wire.get("doubled", 0) == received + wire["lost"]
    records = {e["node"]: e["records"] for e in pcaps}
    assert records == {e["node"]: e["if_sent"] + e["if_received"] for e in nodes}
    assert records == {n: test_tshark.records(out / f"{n}.pcap") for n in records}
    assert events(out, "violation") == [] and events(out, "trouble") == []


# ---- the same bytes ----

@functools.cache
def plan_of(path):
    done = subprocess.run([ek.program("evenkeel"), "plan", "--json", str(path)], check=True,
                          capture_output=True, text=True, timeout=20)
    return json.loads(done.stdout)


def virtual_scenarios():
    """Those of ours that run in virtual time; by name, so that pytest can list them unbuilt."""
    return sorted(p.stem for p in ek.SCENARIOS.glob("*.lua")
                  if not re.search(r'^engines *= *\{ *"netns" *\}', p.read_text(), re.MULTILINE))


def small(name):
    """The scenario's path; the test is skipped where it is too long to be run in every build."""
    plan = plan_of(ek.SCENARIOS / f"{name}.lua")
    queries = sum(v["rate_mqps"] * (v["to_ns"] - v["from_ns"]) for v in plan["load"]) // 10**12
    if queries > QUERIES_MAX or plan["end_ns"] > SECONDS_MAX * 10**9:
        pytest.skip(f"{name} plans {queries:,} queries in {plan['end_ns'] // 10**9} s: too long")
    return f"scenarios/{name}.lua"


@functools.cache
def reference(shelf, name):
    """What the release build makes of one of our scenarios."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-test-") as out:
        return digests(run_well(small(name), pathlib.Path(out) / "out", cwd=shelf))


def assert_same(found, expected):
    assert sorted(found) == sorted(expected)
    differ = [n for n in expected if found[n] != expected[n]]
    assert not differ, f"differ: {differ}"


@pytest.mark.parametrize("name", virtual_scenarios())
def test_a_second_run_gives_the_same_bytes(shelf, tmp_path, name):
    """In another directory, with another environment, zone and language."""
    strange = {"PATH": "/", "TZ": "Asia/Kathmandu", "LC_ALL": "C.UTF-8", "FILLER": "x" * 50_000}
    found = digests(run_well(shelf / small(name), tmp_path / "somewhere", env=strange, cwd="/"))
    assert_same(found, reference(shelf, name))
    assert "clients.pcap" in found and "verdict.json" in found


def test_another_seed_gives_other_bytes(shelf, tmp_path):
    """Else the comparisons above would prove nothing."""
    path = small("blog")
    found = digests(run_well(path, tmp_path / "out", "--seed", "7", cwd=shelf))
    assert all(found[n] != digest for n, digest in reference(shelf, "blog").items())


def test_a_machine_is_known_by_how_late_it_wakes(tmp_path):
    """lab.wake is what a run reports as lateness, and answers come as much sooner or later."""
    p50 = []
    for late_us in 40, 200:
        out = tmp_path / str(late_us)
        done = run(scenario(tmp_path, to="20s"), out, "--set", f"lab.wake={late_us}us")
        doc = json.loads((out / "verdict.json").read_text())
        assert doc["harness"]["send_late_p50_us"] == late_us, done.stderr
        p50.append(doc["phases"][0]["latency_us"]["p50"])
    # Three wake-ups and the clients' own lag lie on an answer's way.
    assert p50[1] - p50[0] > 2 * (200 - 40), p50


def test_a_machine_is_known_by_how_long_its_programs_start(tmp_path):
    """A balancer asks its servers before it is ready, a recursor is ready at once."""
    done = run(scenario(tmp_path, FAULTS, to="10s"), tmp_path / "out",
               "--set", "lab.balancer_start=5ms", "--set", "lab.recursor_start=3ms")
    lines = (tmp_path / "out" / "events.jsonl").read_text().splitlines()
    took = {e["node"]: e["to_ns"] - e["from_ns"] for e in map(json.loads, lines)
            if e["event"] == "fault" and e["kind"] == "start"}
    assert took["DNS1"] == 3_000_000, done.stderr
    assert 5_000_000 < took["LB1"] < 6_000_000, took


@functools.cache
def build(mode, compiler):
    """evenkeel as that compiler makes it; it isn't copied to build/bin."""
    ek.tool(compiler)
    path = f"build/{mode}-{compiler}/bin/evenkeel"
    done = subprocess.run(["make", "-C", str(ek.ROOT), "--no-print-directory", f"MODE={mode}",
                           f"CC={compiler}", path], capture_output=True, text=True, timeout=600,
                          env={k: v for k, v in os.environ.items() if k != "MAKEFLAGS"})
    assert done.returncode == 0, done.stdout + done.stderr
    return str(ek.ROOT / path)


# Optimized differently, by another compiler, and with all invariants checked after every event.
BUILDS = [("asan", "gcc"), ("debug", "gcc"), ("release", "clang")]


@pytest.mark.parametrize("mode,compiler", BUILDS)
@pytest.mark.parametrize("name", virtual_scenarios())
def test_every_build_gives_the_same_bytes(shelf, tmp_path, name, mode, compiler):
    out = run_well(small(name), tmp_path / "out", program=build(mode, compiler), cwd=shelf)
    assert_same(digests(out), reference(shelf, name))


@pytest.mark.parametrize("mode,compiler", BUILDS)
def test_every_build_gives_the_same_bytes_under_faults(tmp_path, mode, compiler):
    path = scenario(tmp_path, FAULTS, to="10s")
    expected = digests(run_well(path, tmp_path / "release"))
    found = digests(run_well(path, tmp_path / "other", program=build(mode, compiler)))
    assert_same(found, expected)


@pytest.mark.parametrize("what,before,env", [
    ("memory isn't laid out at random", ["setarch", "-R"], {}),
    ("the processor has no wide registers and no fused multiplication", [],
     {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX512F,-FMA,-FMA_Usable,-ERMS"}),
    ("memory is filled before use", [], {"GLIBC_TUNABLES": "glibc.malloc.perturb=165"}),
], ids=lambda v: v.split()[0] if isinstance(v, str) else "")
def test_machine_and_memory_make_no_difference(shelf, tmp_path, what, before, env):
    for tool in before[:1]:
        ek.tool(tool)
        if subprocess.run([*before, "true"], capture_output=True, check=False).returncode != 0:
            pytest.skip(f"{tool} isn't allowed here")
    out = run_well(small("blog"), tmp_path / "out", before=before, env={**os.environ, **env},
                   cwd=shelf)
    assert_same(digests(out), reference(shelf, "blog"))


def test_check_determinism_compares_every_file(tmp_path):
    out = tmp_path / "out"
    done = run(scenario(tmp_path), out, "--check-determinism")
    assert done.returncode == ek.PASS, done.stderr
    count = len(list(out.iterdir()))
    assert count >= 12
    assert done.stderr == f"evenkeel: all {count} files agree, byte for byte\n"
    assert_same(digests(tmp_path / "out.again"), digests(out))


def test_check_determinism_tells_a_difference(tmp_path):
    """The configuration changes between the two runs: it is read for each anew."""
    path = scenario(tmp_path, to="20s", rate=2000)
    out, conf = tmp_path / "out", tmp_path / "blog" / "dnsdist.conf"
    argv = [ek.program("evenkeel"), "run", "--engine", "virtual", "--check-determinism", "--out",
            str(out), str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        ek.wait_until(lambda: p.poll() is not None or (out / "events.jsonl").exists(), "the run")
        conf.write_text(conf.read_text().replace("wrandom", "roundrobin"))
        text, said = p.communicate(timeout=120)
    assert "PASS" in text
    assert p.returncode == ek.FAIL, said
    assert re.search(r"DNS1\.pcap", said), said


# ---- the judge ----

def assert_judged_again(out):
    stream = (out / "verdict.json").read_bytes()
    (out / "verdict.json").unlink()
    status = ek.judge(out).status
    assert (out / "verdict.json").read_bytes() == stream
    return status


@pytest.mark.parametrize("name", virtual_scenarios())
def test_the_captures_give_the_verdict_that_the_stream_gave(shelf, tmp_path, name):
    out = run_well(shelf / small(name), tmp_path / "out")
    assert assert_judged_again(out) == ek.PASS
    assert_conserved(out)


def test_the_captures_give_the_verdict_that_the_stream_gave_under_faults(tmp_path):
    out = run_well(scenario(tmp_path, FAULTS, to="10s"), tmp_path / "out")
    assert_judged_again(out)
    assert_conserved(out)


# ---- faults ----

def test_every_fault_takes_effect(tmp_path):
    out = run_well(scenario(tmp_path, FAULTS, to="10s"), tmp_path / "out")
    faults = {(e["at_ns"] // 10**6, e["kind"]): e for e in events(out, "fault")}
    assert len(faults) == FAULTS.count("at ")
    for e in faults.values():
        assert e["verified"], e
        assert e["at_ns"] == e["from_ns"] <= e["to_ns"]
        assert PROCESS_FAULTS.get(e["kind"], "") in e["evidence"]
    assert re.search(r" ([1-9]\d*) frames cut, 0 lost, 0 passed",
                     faults[4500, "blackhole"]["evidence"])
    m = re.search(r" 0 frames cut, (\d+) lost, (\d+) passed", faults[5500, "loss"]["evidence"])
    lost, passed = int(m[1]), int(m[2])
    assert 0.15 < lost / (lost + passed) < 0.45 and lost > 20
    started = [faults[t, "start"] for t in (1000, 9500)]
    assert all(10**6 < e["to_ns"] - e["from_ns"] < 10**9 for e in started)
    exited = events(out, "process")
    assert [e["node"] for e in exited if e["what"] == "exited"] == ["LB1", "DNS1"]
    assert_conserved(out)


STUB_FAULTS = [  # kind, further key, what it must do to the clients' queries
    ("servfail", "", lambda m: m["error"] > 20),
    ("refuse", "", lambda m: m["error"] > 20),
    ("wrong", "", lambda m: m["wrong"] > 20),
    ("drop", "", lambda m: m["answered"] < m["planned"] - 20),
    ("slow", ', by = "400ms"', lambda m: m["p99"] > 400_000),
    ("truncate", "", lambda m: m["tcp"] > 20 and m["answered"] == m["planned"]),
]


@pytest.mark.parametrize("kind,more,shown", STUB_FAULTS, ids=[f[0] for f in STUB_FAULTS])
def test_each_fault_of_the_stub_takes_effect(tmp_path, kind, more, shown):
    fault = f'at "1s" {{ {kind} = "DNS3"{more} }}'
    out = run_well(scenario(tmp_path, fault), tmp_path / "out", "--set",
                   "expect.answers.wrong=9999")
    told = events(out, "fault")
    assert [(e["kind"], e["verified"]) for e in told] == [(kind, True)], told
    assert re.fullmatch(r"the stub did it to [1-9]\d* answers", told[0]["evidence"])
    doc = json.loads((out / "verdict.json").read_text())
    load = {k: sum(e[k] for e in events(out, "load")) for k in ("planned", "answered", "tcp")}
    assert shown({**doc["expectations"][0]["measured"], **load,
                  "p99": doc["phases"][1]["latency_us"]["p99"] or 0}), doc["phases"]
    assert_conserved(out)


def timed_frames(path):
    """(time in ns, frame) of each record of a capture."""
    data, at = path.read_bytes(), 24
    while at < len(data):
        s, ns, length = (int.from_bytes(data[i:i + 4], "little") for i in (at, at + 4, at + 8))
        yield s * 10**9 + ns, data[at + 16:at + 16 + length]
        at += 16 + length


def frames(path):
    """Every frame of a capture."""
    return (frame for _, frame in timed_frames(path))


def kinds(path):
    """(IP version, protocol, TCP flags or ICMP type and code) of each frame that isn't UDP."""
    for f in frames(path):
        ip, protocol, at = (4, f[23], 34) if f[12:14] == b"\x08\x00" else (6, f[20], 54)
        if protocol == 6:
            yield ip, "tcp", f[at + 13]
        elif protocol != 17:
            yield ip, "icmp", tuple(f[at:at + 2])


SYN, SYN_ACK, RST_ACK, FIN_ACK = 0x02, 0x12, 0x14, 0x11


HANG = 'at "1s" { hang = "DNS3" } at "2s" { resume = "DNS3" }'


def test_a_hung_program_s_sockets_hold_so_much_and_drop_the_rest(tmp_path):
    def drops(rate):
        path = scenario(tmp_path, HANG, rate=rate, name=f"hang{rate}")
        out = run_well(path, tmp_path / f"out{rate}")
        assert all(e["verified"] for e in events(out, "fault"))
        assert_conserved(out)
        return {e["node"]: e["queue_drops"] for e in events(out, "node")}
    assert set(drops(10).values()) == {0}
    many = drops(60_000)
    assert many.pop("DNS3") > 5000 and set(many.values()) == {0}


def test_a_fault_that_befalls_nobody_says_so_and_is_no_trouble(tmp_path):
    """Nothing is lost by a link that nothing crosses; here a link is surely as it was set."""
    fault = 'at "2999999us" { loss = "LB1", ratio = 0 } at "2999999999ns" { heal = "LB1" }'
    done = run(scenario(tmp_path, fault), tmp_path / "out")
    assert done.returncode == ek.PASS, done.stdout
    told = {e["kind"]: (e["verified"], e["evidence"]) for e in events(tmp_path / "out", "fault")}
    assert told["loss"] == (True, "on LB1's link, both ways: 0 frames cut, 0 lost, 0 passed")
    assert told["heal"][0]


# ---- captures in other hands ----

DRAIN = """engines = { "virtual" }
at "1s" { drain = "DNS1" }
at "2s" { kill = "DNS1" }
at "3s" { start = "DNS1" }
at "5s" { undrain = "DNS1" }
expect { lost { at_most = 0 } }
"""


def asked(out, node):
    """Times of clients' names that came to a node, from t = 0, in seconds."""
    start = int(events(out, "start")[0]["t0_unix_ns"])
    return [(t - start) / 1e9 for t, frame in timed_frames(out / f"{node}.pcap")
            if b"\x04zipf" in frame and frame[36:38] == b"\x00\x35"]


def test_a_drained_server_gets_nothing_new_and_may_die(tmp_path):
    out = run_well(scenario(tmp_path, DRAIN, to="7s"), tmp_path / "out")
    assert [e["verified"] for e in events(out, "fault")] == [True] * 4
    assert all(e["verdict"] == "PASS" for e in
               json.loads((out / "verdict.json").read_text())["expectations"])
    times = asked(out, "DNS1")
    assert times and not [t for t in times if 1.001 < t < 5]
    assert [t for t in times if t > 5]
    assert len([t for t in asked(out, "DNS3") if 1.001 < t < 5]) > 100


def test_without_the_drain_its_death_costs_queries(tmp_path):
    faults = "\n".join(line for line in DRAIN.splitlines() if "drain" not in line)
    done = run(scenario(tmp_path, faults, to="7s"), tmp_path / "out")
    assert done.returncode == ek.FAIL, done.stdout + done.stderr


def merge(captures, to):
    """One capture with the records of all, so that tshark starts once."""
    to.write_bytes(captures[0].read_bytes()[:24] + b"".join(p.read_bytes()[24:] for p in captures))
    return to


def test_captures_open_without_a_warning(tmp_path):
    """UDP, TCP and ICMP over both families, with every checksum right."""
    ek.tool("tshark")
    faults = 'at "500ms" { truncate = "DNS3" } at "1s" { kill = "LB1" } at "1s" { kill = "DNS1" }'
    path = scenario(tmp_path, faults, to="1500ms")
    out = run_well(path, tmp_path / "out")
    udp = run_well(path, tmp_path / "udp", "--set",
                   f"lab.balancers.config={ek.DATA / 'udp-only.conf'}")
    captures = sorted(out.glob("*.pcap")) + sorted(udp.glob("*.pcap"))
    seen = {k for p in captures for k in kinds(p)}
    assert {(v, "tcp", flags) for v in (4, 6) for flags in (SYN_ACK, RST_ACK, FIN_ACK)} | \
        {(4, "icmp", (3, 3)), (6, "icmp", (1, 4))} <= seen
    everything = merge(captures, tmp_path / "all.pcap")
    assert test_tshark.tshark(everything, test_tshark.BAD) == []
    broken = bytearray(everything.read_bytes())
    broken[-1] ^= 1
    everything.write_bytes(broken)
    assert len(test_tshark.tshark(everything, test_tshark.BAD)) == 1


# ---- no privilege ----

def nobody():
    """Without any right; as whoever we are, if we are nobody in particular."""
    if os.geteuid() != 0:
        return []
    ek.tool("setpriv")
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
            "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]


def test_it_needs_no_privilege(shelf):
    home = pathlib.Path(tempfile.mkdtemp(prefix="evenkeel-test-"))
    atexit.register(shutil.rmtree, home)
    if os.geteuid() == 0:
        os.chown(home, NOBODY, NOBODY)
    out = run_well(small("blog"), home / "out", before=nobody(), cwd=shelf,
                   program=shelf / "bin" / "evenkeel")
    assert_same(digests(out), reference(shelf, "blog"))
    if os.geteuid() == 0:
        assert out.stat().st_uid == NOBODY


def test_it_needs_no_namespaces(shelf, tmp_path):
    """Where the kernel gives no more of any kind: the other engine must say that it can't."""
    forbid = ("for k in user net pid mnt ipc uts; do "
              "echo 0 >/proc/sys/user/max_${k}_namespaces || exit 99; done; exec \"$@\"")
    before = ["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh"]
    ek.tool("unshare")
    if subprocess.run([*before, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no user namespace in which to forbid namespaces")
    argv = [*before, ek.program("evenkeel"), "run", "--out", str(tmp_path / "real"),
            str(shelf / "scenarios" / "blog.lua")]
    real = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert real.returncode == ek.CANT, real.stdout + real.stderr
    out = run_well(small("blog"), tmp_path / "out", before=before, cwd=shelf)
    assert_same(digests(out), reference(shelf, "blog"))


# ---- what a user gets wrong ----

@pytest.mark.parametrize("option,path", [("--balancer", "/bin/true"), ("--recursor", "/bin/cat")])
def test_foreign_programs_are_refused(tmp_path, option, path):
    said = one_line(run(scenario(tmp_path), tmp_path / "out", option, path))
    assert path.split("/")[-1] in said and "virtual time" in said


def test_dnsdist_is_refused(tmp_path):
    said = one_line(run(scenario(tmp_path), tmp_path / "out", "--balancer", ek.tool("dnsdist")))
    assert "dnsdist" in said and "virtual time" in said


def test_a_scenario_for_the_other_engine_is_refused(tmp_path):
    path = scenario(tmp_path)
    path.write_text('engines = { "netns" }\n' + path.read_text())
    said = one_line(run(path, tmp_path / "out"))
    assert "virtual.lua" in said and "virtual engine" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("args,named", [
    (["--check-determinism"], "--engine virtual"),
    (["--engine", "netns", "--check-determinism"], "--engine virtual"),
    (["--engine", "virtuel"], "virtuel"),
    (["--engine", "virtual", "--pcap", "some"], "some"),
])
def test_options_that_make_no_sense_are_refused(tmp_path, args, named):
    argv = [ek.program("evenkeel"), "run", "--out", str(tmp_path / "out"), *args,
            str(scenario(tmp_path))]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert named in one_line(done)
    assert not (tmp_path / "out").exists()


def test_a_directory_that_cant_be_made_is_named(tmp_path):
    said = one_line(run(scenario(tmp_path), "/proc/nowhere/out"))
    assert "/proc/nowhere/out" in said


# What is written last when there is room for so many bytes of a file: plan, events, a capture.
@pytest.mark.parametrize("room", [1000, 6000, 200_000])
def test_a_full_disk_is_an_error(tmp_path, room):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    done = run(scenario(tmp_path), tmp_path / "out", preexec_fn=limit, restore_signals=False)
    assert str(tmp_path / "out") in one_line(done)
    assert not (tmp_path / "out" / "verdict.json").exists()


def test_a_signal_ends_a_long_run_and_makes_it_invalid(tmp_path):
    path, out = scenario(tmp_path, rate=2000, to="20min"), tmp_path / "out"
    argv = [ek.program("evenkeel"), "run", "--engine", "virtual", "--pcap", "none", "--out",
            str(out), str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        ek.wait_until(lambda: p.poll() is not None or (out / "events.jsonl").exists(), "the run")
        assert p.poll() is None
        p.send_signal(signal.SIGINT)
        text, said = p.communicate(timeout=20)
    assert p.returncode == ek.INVALID, text + said
    assert "INVALID" in text and said == ""
    assert any("early" in e["what"] for e in events(out, "trouble"))
    assert events(out, "end")


def test_without_captures_the_verdict_is_the_same(shelf, tmp_path):
    out = run_well(small("blog"), tmp_path / "out", "--pcap", "none", cwd=shelf)
    assert not list(out.glob("*.pcap"))
    found, expected = digests(out), reference(shelf, "blog")
    assert found["plan.json"] == expected["plan.json"]
    assert found["verdict.json"] == expected["verdict.json"]
