# SPDX-License-Identifier: BSD-3-Clause
"""evenkeel replay beside Debian's drool and dnsjit: when queries leave, against when they should,
as the other end of a veth saw them, and for what processor time; and beside dnsperf: as fast as may
be against a server that costs next to nothing (echo.c). Taking turns, medians; in a user and
network namespace of its own, as an ordinary user. One JSON object a line for each row.

    timing   10 s of 2,000 Poisson queries a second from 200 addresses
    slow     10 s of one query a second
    loops    a second of 2,000 queries over and over, for 30 s; 5 min with REPLAY_BENCH_FULL=1
    max      as fast as may be

Times are about each run's median offset. REPLAY_BENCH=timing,max runs only those;
REPLAY_BENCH_ROUNDS=3. Every run of ours must send every query once, or the bench fails."""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = pathlib.Path(os.environ.get("EK_BIN", ROOT / "build" / "bin")) / "evenkeel"
ONLY = [r for r in os.environ.get("REPLAY_BENCH", "").split(",") if r]
ROUNDS = int(os.environ.get("REPLAY_BENCH_ROUNDS", "5"))
FULL = os.environ.get("REPLAY_BENCH_FULL") == "1"
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin"
HERE, THERE, PORT = "192.0.2.1", "192.0.2.2", 5300
DNSJIT = """
local input = require("dnsjit.input.mmpcap").new()
local timing = require("dnsjit.filter.timing").new()
local layer = require("dnsjit.filter.layer").new()
local output = require("dnsjit.output.dnscli").new(require("dnsjit.output.dnscli").UDP)
local dns = require("dnsjit.core.object.dns").new()
require("dnsjit.core.objects")
input:open(arg[2])
timing:producer(input)
timing:keep()
layer:producer(timing)
output:connect(arg[3], arg[4])
local produce, from = layer:produce()
local send, to = output:receive()
while true do
  local obj = produce(from)
  if obj == nil then break end
  dns.obj_prev = obj
  if obj:type() == "payload" and dns:parse_header() == 0 and dns.qr == 0 then
    send(to, dns:uncast())
  end
end
"""


def skip(reason):
    print(f"replay_bench: skipped: {reason}", file=sys.stderr)
    sys.exit(0)


def tool(name):
    return shutil.which(name, path=PATH)


# ---- captures ----

def query(i):
    name = b"\7q%06d\7example\3org\0" % i
    return struct.pack("!HHHHHH", i * 40503 & 0xffff, 0x0100, 1, 0, 0, 0) + name + b"\0\1\0\1"


def packet(i, client):
    """Over Ethernet, IPv4 and UDP."""
    data = query(i)
    udp = struct.pack("!HHHH", 1024 + i * 7919 % 60000, 53, 8 + len(data), 0) + data
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), i & 0xffff, 0, 64, 17, 0,
                     bytes([10, 0, 0, client]), bytes([10, 0, 1, 1]))
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xffff) + (total >> 16)
    ip = ip[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + ip[12:]
    return b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + ip + udp


def write_capture(path, times_us, clients=200):
    """Microseconds, because the peers make nothing of nanoseconds."""
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
        for i, t in enumerate(times_us):
            data = packet(i, 1 + i * 31 % clients)
            f.write(struct.pack("<IIII", 1_700_000_000 + t // 1_000_000, t % 1_000_000,
                                len(data), len(data)) + data)


def poisson(rate, seconds, seed=1):
    rng, t, out = random.Random(seed), 0.0, [0]
    while True:
        t += rng.expovariate(rate)
        if t >= seconds:
            return out
        out.append(round(t * 1e6))


# ---- programs ----

def ours(path, *more):
    return [str(OURS), "replay", "--json", "--timeout", "1", "--rate", "1000000", "--to",
            f"{THERE}:{PORT}", *more, str(path)]


def drool(path):
    return ["drool", "replay", "--timing", "keep", "--no-tcp", "--no-responses", str(path), THERE,
            str(PORT)]


def dnsjit(path):
    script = path.parent / "replay.lua"
    script.write_text(DNSJIT)
    return ["dnsjit", str(script), str(path), THERE, str(PORT)]


def run(argv):
    """(standard output, processor seconds, seconds) of a program."""
    begun = time.monotonic()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "PATH": PATH}) as p:
        out, err = p.stdout.read(), p.stderr.read()
        _, status, used = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode != 0:
        sys.exit(f"replay_bench: {argv[0]}: exit status {p.returncode}: {err.strip()}")
    return out, used.ru_utime + used.ru_stime, time.monotonic() - begun


# ---- the ground ----

class Ground:
    """A veth; its other end is in a namespace that a sleeping process holds."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.receiver = self.folder / "receive"
        for name in ("receive", "echo"):
            subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-pthread", "-o", self.folder / name,
                            ROOT / "tests" / "bench" / f"{name}.c"], check=True)
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 86400"],
                                       stdout=subprocess.PIPE)
        self.holder.stdout.readline()
        self.inside = ["nsenter", "-t", str(self.holder.pid), "-n"]
        self.ip("link set lo up")
        self.ip(f"link add v0 type veth peer name v1 netns {self.holder.pid}")
        for within, name, address, other in (([], "v0", HERE, THERE),
                                             (self.inside, "v1", THERE, HERE)):
            mac = 2 if name == "v0" else 1
            self.ip(f"link set {name} address 02:00:00:00:00:0{3 - mac} up", within)
            self.ip(f"addr add {address}/24 dev {name}", within)
            self.ip(f"neigh add {other} lladdr 02:00:00:00:00:0{mac} dev {name} nud permanent",
                    within)

    @staticmethod
    def ip(words, within=()):
        subprocess.run([*within, "ip", *words.split()], check=True)

    def received(self, argv):
        """([(number, ns)], processor seconds, seconds) of what a program sent."""
        path = self.folder / "received.txt"
        r = subprocess.Popen([*self.inside, self.receiver, THERE, str(PORT), path],
                             stdout=subprocess.PIPE)
        r.stdout.readline()
        _, cpu, took = run(argv)
        r.send_signal(signal.SIGTERM)
        if r.wait() != 0:
            sys.exit("replay_bench: the receiver failed")
        rows = [tuple(map(int, line.split())) for line in path.read_text().splitlines()]
        return rows, cpu, took

    def close(self):
        self.holder.kill()
        self.holder.wait()


# ---- figures ----

def errors_us(got, times_us):
    """How far each query's time is off, about the median offset; got in the order of arrival."""
    first = got[0][1]  # a float has no room for nanoseconds since 1970
    off = [(t - first) / 1000 - times_us[n % len(times_us)] for n, t in got]
    middle = statistics.median(off)
    return [o - middle for o in off]


def quantiles(errors):
    e = sorted(map(abs, errors))
    return {"median": e[len(e) // 2], "p99": e[int(len(e) * 0.99)], "max": e[-1]}


def row(name, unit, value, peer, peer_name, goal, **more):
    print(json.dumps({"name": f"replay: {name}", "unit": unit, "ours": round(value, 4),
                      "peer": None if peer is None else round(peer, 4), "peer_name": peer_name,
                      "ratio": round(value / peer, 3) if peer else None, "goal": goal, **more}),
          flush=True)


def check_once(got, n, loops=1):
    seen = {}
    for i, _ in got:
        seen[i] = seen.get(i, 0) + 1
    wrong = sum(seen.get(i, 0) != loops for i in range(n))
    if wrong or len(got) != n * loops:
        sys.exit(f"replay_bench: {wrong} of {n} queries weren't sent {loops} times")


def timing(ground, name, times_us, goals, rounds):
    """Ours and the peers, taking turns."""
    path = ground.folder / "timing.pcap"
    write_capture(path, times_us)
    programs = {"ours": ours(path)}
    if tool("drool"):
        programs["drool"] = drool(path)
    if tool("dnsjit"):
        programs["dnsjit"] = dnsjit(path)
    found = {p: [] for p in programs}
    for _ in range(rounds):
        for program, argv in programs.items():
            got, cpu, _ = ground.received(argv)
            if program == "ours":
                check_once(got, len(times_us))
            q = quantiles(errors_us(got, times_us))
            q["cpu"] = cpu * 1e6 / times_us[-1]
            found[program].append(q)
            print(f"  {program}: " + ", ".join(f"{k} {v:.2f}" for k, v in q.items()) +
                  f", {len(got)} of {len(times_us)}", file=sys.stderr)
    middle = {p: {k: statistics.median(q[k] for q in rows) for k in rows[0]}
              for p, rows in found.items()}
    for what, goal in goals.items():
        mine = middle["ours"][what]
        for peer in [p for p in programs if p != "ours"] or [None]:
            row(f"{name}: error of send times, {what}", "us", mine,
                middle[peer][what] if peer else None, peer, goal if peer == "drool" else None,
                **({} if peer else {"note": "neither drool nor dnsjit is installed"}))
    return middle["ours"]["cpu"]


def loops(ground):
    """Drift: what the last tenth's median offset is off from the first's."""
    times_us, n = poisson(2000, 1, seed=2), 300 if FULL else 30
    path = ground.folder / "loops.pcap"
    write_capture(path, times_us)
    plan = json.loads(run(ours(path, "--dry-run"))[0])
    got, cpu, _ = ground.received(ours(path, "--loop", str(n)))
    check_once(got, len(times_us), n)
    period_us = plan["planned_ns"] / 1000
    seen, off, first = {}, [], got[0][1]
    for i, t in got:
        loop = seen.get(i, 0)
        seen[i] = loop + 1
        off.append((t - first) / 1000 - times_us[i] - loop * period_us)
    part = len(off) // 10
    drift = abs(statistics.median(off[-part:]) - statistics.median(off[:part]))
    print(f"  drift {drift:.2f} us in {n} loops, processor {cpu / n:.3f}", file=sys.stderr)
    row(f"drift over {n} s of loops", "us", drift, 20, "a bound", "<=1.0")


def as_fast(ground):
    """Ours and dnsperf against the same server."""
    if tool("dnsperf") is None:
        print("replay_bench: max: skipped: dnsperf isn't installed", file=sys.stderr)
        return
    path, names = ground.folder / "max.pcap", ground.folder / "names.txt"
    write_capture(path, range(0, 100_000))
    names.write_text("".join(f"q{i:06d}.example.org A\n" for i in range(100_000)))
    echo = subprocess.Popen([ground.folder / "echo"], stdout=subprocess.PIPE, text=True)
    to = int(echo.stdout.readline())
    found = {"ours": [], "dnsperf": []}
    try:
        for _ in range(ROUNDS):
            out, cpu, _ = run([str(OURS), "replay", "--json", "--speed", "max", "--loop", "20",
                               "--to", f"127.0.0.1:{to}", str(path)])
            r = json.loads(out)["result"]
            found["ours"].append((r["answered"] / r["took_ns"] * 1e9, cpu * 1e6 / r["answered"],
                                  r["sent"] - r["answered"]))
            out, cpu, _ = run(["dnsperf", "-s", "127.0.0.1", "-p", str(to), "-d", str(names),
                               "-l", "4", "-c", "16", "-q", "1000", "-T", "1"])
            done = int(re.search(r"Queries completed: +(\d+)", out)[1])
            rate = float(re.search(r"Queries per second: +([0-9.]+)", out)[1])
            lost = int(re.search(r"Queries lost: +(\d+)", out)[1])
            found["dnsperf"].append((rate, cpu * 1e6 / done, lost))
            for p, rows in found.items():
                print(f"  {p}: {rows[-1][0]:.0f}/s, {rows[-1][1]:.3f} us, {rows[-1][2]} lost",
                      file=sys.stderr)
    finally:
        echo.kill()
        echo.wait()
    middle = {p: [statistics.median(v) for v in zip(*rows)] for p, rows in found.items()}
    row("as fast as may be, answered", "q/s", middle["ours"][0], middle["dnsperf"][0], "dnsperf",
        ">=1.0")
    row("as fast as may be", "CPU us/query", middle["ours"][1], middle["dnsperf"][1], "dnsperf",
        "<=0.6")


def bench():
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(folder)
        try:
            if not ONLY or "timing" in ONLY:
                cpu = timing(ground, "2,000 q/s", poisson(2000, 10),
                             {"median": "<=0.5", "p99": "<=0.6", "max": "<=0.5"}, ROUNDS)
                row("2,000 q/s", "processors", cpu, 0.25, "a bound", "<=1.0")
            if not ONLY or "slow" in ONLY:
                timing(ground, "1 q/s", [i * 1_000_000 for i in range(11)],
                       {"median": None, "max": "<=1.0"}, 1)
            if not ONLY or "loops" in ONLY:
                loops(ground)
            if not ONLY or "max" in ONLY:
                as_fast(ground)
        finally:
            ground.close()


def main():
    if not OURS.is_file():
        skip(f"{OURS} isn't built")
    for name in ("ip", "unshare", "nsenter", "cc"):
        if tool(name) is None:
            skip(f"{name} isn't installed")
    for name in ("drool", "dnsjit"):
        if tool(name) is None:
            print(f"replay_bench: {name} isn't installed", file=sys.stderr)
    if os.environ.get("REPLAY_BENCH_INSIDE") == "1":
        bench()
        return
    inside = ["unshare", "--user", "--map-root-user", "--net"]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode != 0:
        skip("no namespaces here")
    sys.exit(subprocess.run([*inside, sys.executable, __file__],
                            env={**os.environ, "REPLAY_BENCH_INSIDE": "1"}, check=False).returncode)


main()
