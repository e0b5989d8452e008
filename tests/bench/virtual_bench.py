#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The virtual engine, whole processes on one processor: time for blog.lua, queries a second, bytes
of captures a second against a plain write() of as many, and how cost and memory grow with nodes and
queries. One JSON object a line.

usage: virtual_bench.py [--full]    --full: 10^7 queries instead of 10^6 where cost is compared"""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
EVENKEEL = pathlib.Path(os.environ.get("EK_BIN", ROOT / "build" / "bin")) / "evenkeel"
ROUNDS = 3
RATE = 5_000  # a second: what is in flight, and kept by the judge, is far below a run
PASS, FAIL, INCONCLUSIVE = 0, 1, 3

SCENARIO = """
lab {{ balancers = {{ LB1 = {{ "192.160.102.2" }}, LB2 = {{ "192.160.102.3" }},
                     config = "bench.conf" }},
      recursors = {{ {names}, config = "recursor.conf", miss = "1ms" }},
      clients = {{ net = "192.160.102.128/25", count = 50 }},
      links = {{ delay = "50us" }} }}
load {{ rate = {rate}, to = "{to_us}us", names = zipf(1000), timeout = "500ms" }}
expect {{ answers {{ wrong = 0 }} }}
"""


def scenario(folder, queries, recursors=2):
    """So many queries, planned, to two balancers in front of so many recursors."""
    folder = folder / f"{queries}-{recursors}"
    folder.mkdir(exist_ok=True)
    names = [f"R{i}" for i in range(1, recursors + 1)]
    (folder / "bench.conf").write_text(
        'setLocal("0.0.0.0:53")\nsetACL({"192.160.102.0/24"})\nsetServerPolicy(wrandom)\n' +
        "".join(f'newServer{{address="192.0.2.{i + 1}", name="{n}"}}\n'
                for i, n in enumerate(names)))
    (folder / "recursor.conf").write_text("local-address=0.0.0.0\nallow-from=192.160.102.0/24\n")
    rate = min(RATE, queries)
    path = folder / "bench.lua"
    path.write_text(SCENARIO.format(names=", ".join(f'"{n}"' for n in names), rate=rate,
                                    to_us=queries * 1_000_000 // rate))
    return path


class Cost:
    """What a whole run took."""

    def __init__(self, path, out, pcap):
        last = str(max(os.sched_getaffinity(0)))
        argv = ["taskset", "-c", last, str(EVENKEEL), "run", "--engine", "virtual", "--pcap", pcap,
                "--out", str(out), str(path)]
        begun = time.monotonic()
        with open(os.devnull, "wb") as null:
            pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=[
                (os.POSIX_SPAWN_DUP2, null.fileno(), 1)])
        _, status, used = os.wait4(pid, 0)
        self.wall_s = time.monotonic() - begun
        self.cpu_s = used.ru_utime + used.ru_stime
        self.peak_kib = used.ru_maxrss
        code = os.waitstatus_to_exitcode(status)
        if code not in (PASS, FAIL, INCONCLUSIVE):
            sys.exit(f"virtual_bench: {path}: exit status {code}")
        events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
        self.queries = sum(e["sent"] for e in events if e["event"] == "load")
        self.written = sum(p.stat().st_size for p in out.iterdir())
        if self.queries != sum(e["answered"] for e in events if e["event"] == "load") and \
                "bench" in path.name:
            print(f"virtual_bench: {path}: not every query was answered", file=sys.stderr)
        shutil.rmtree(out)


def runs(path, pcap="none", rounds=ROUNDS):
    return [Cost(path, path.parent / "out", pcap) for _ in range(rounds)]


def median(costs, what):
    return statistics.median(getattr(c, what) for c in costs)


def row(name, unit, ours, peer, peer_name, goal, **more):
    print(json.dumps({"name": f"virtual: {name}", "unit": unit, "ours": round(ours, 3),
                      "peer": round(peer, 3), "peer_name": peer_name,
                      "ratio": round(ours / peer, 3), "goal": goal, **more}), flush=True)


def blog(folder):
    shutil.copytree(ROOT / "scenarios", folder / "scenarios")
    costs = runs(folder / "scenarios" / "blog.lua", rounds=7)
    ms = median(costs, "wall_s") * 1000
    row("blog.lua without captures, whole process", "ms", ms, 100, "what is wanted", "<=1.0",
        note=f"{median(costs, 'cpu_s') * 1000:.0f} ms of processor time; in real time 17 s")


def speed(folder):
    costs = runs(scenario(folder, 2_000_000), rounds=2)
    rate = max(c.queries / c.wall_s for c in costs)
    row("queries without captures, judge included", "1/s", rate, 1_000_000, "what is wanted",
        ">=1.0", note=f"{max(c.queries / c.cpu_s for c in costs):,.0f} a second of processor time")


def plain_write(path, size):
    """Bytes a second of writing so many zeros to a new file."""
    block, begun = bytes(1 << 20), time.monotonic()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for at in range(0, size, len(block)):
        os.write(fd, block[:size - at])
    os.close(fd)
    took = time.monotonic() - begun
    os.unlink(path)
    return size / took


def captures(folder):
    """The whole run's bytes a second, and those of what captures alone add to it."""
    path, whole, alone, plain = scenario(folder, 200_000), [], [], []
    for _ in range(ROUNDS):
        without = Cost(path, path.parent / "out", "none")
        c = Cost(path, path.parent / "out", "all")
        whole.append(c.written / c.wall_s / 1e6)
        alone.append(c.written / max(c.wall_s - without.wall_s, 1e-9) / 1e6)
        plain.append(plain_write(folder / "plain", c.written) / 1e6)
    for what, ours in (("whole run with captures", whole), ("captures alone", alone)):
        row(f"{what}, bytes written", "MB/s", statistics.median(ours), statistics.median(plain),
            "plain write()", ">=0.5")


def nodes(folder):
    """Both once warm: the cost of the queries that one run has more than another."""
    per, notes = [], []
    for recursors in (100, 2):
        short, long = (runs(scenario(folder, n, recursors), rounds=1)[0]
                       for n in (300_000, 800_000))
        per.append((long.cpu_s - short.cpu_s) / (long.queries - short.queries) * 1e6)
        notes.append(f"{short.cpu_s / short.queries * 1e6:.1f} us with {recursors}")
    row("cost per query, 100 recursors by 2, caches warm", "us", *per, "2 recursors", "<=1.5",
        note="of the first 300,000 queries, caches cold: " + ", ".join(notes))


def length(folder, most, text):
    start = median(runs(scenario(folder, 10), rounds=7), "cpu_s")
    short = runs(scenario(folder, 10_000), rounds=9)
    long = runs(scenario(folder, most), rounds=1)
    per = [(median(c, "cpu_s") - start) / c[0].queries * 1e6 for c in (long, short)]
    row(f"cost per query, {text} by 10^4 queries", "us", *per, "10^4 queries", "<=1.5",
        note=f"start-up, {start * 1000:.0f} ms, subtracted from both")


def memory(folder):
    short, long = (runs(scenario(folder, n), rounds=1)[0] for n in (100_000, 1_000_000))
    row("peak memory, 10^6 by 10^5 queries", "MB", long.peak_kib / 1000, short.peak_kib / 1000,
        "10^5 queries", "<=1.5")


def main():
    full = sys.argv[1:] == ["--full"]
    if sys.argv[1:] and not full:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    if shutil.which("taskset") is None:
        print("virtual_bench: skipped: taskset isn't installed", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory(prefix="evenkeel-bench-") as name:
        folder = pathlib.Path(name)
        blog(folder)
        speed(folder)
        captures(folder)
        nodes(folder)
        length(folder, 10**7 if full else 10**6, "10^7" if full else "10^6")
        memory(folder)


main()
