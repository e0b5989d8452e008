# SPDX-License-Identifier: BSD-3-Clause
"""Our balancer beside Debian's dnsdist, and beside a relay that knows nothing of DNS but the ID
(relay.c): the same configuration, backends (echo.c) and generator (dnsperf) on loopback, taking
turns. CPU time per answered query, throughput with less than 0.1 % lost, resident memory. One JSON
object a line for each row.

BALANCER_BENCH=forwarded,tcp runs only those rows; BALANCER_FLAGS="--io plain" is given to ours."""
import json
import os
import pathlib
import random
import re
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = pathlib.Path(os.environ.get("EK_BIN", ROOT / "build" / "bin")) / "balancer"
FLAGS = shlex.split(os.environ.get("BALANCER_FLAGS", ""))
ONLY = [r for r in os.environ.get("BALANCER_BENCH", "").split(",") if r]
ROUNDS, SECONDS = int(os.environ.get("BALANCER_BENCH_ROUNDS", "3")), 2
LOST_MAX = 0.001
FLIGHTS = (100, 200, 400, 700, 1000)
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin"


def skip(reason):
    print(f"balancer_bench: skipped: {reason}", file=sys.stderr)
    sys.exit(0)


def cpu_ns(pid):
    """User and system time of all threads of a process, as the scheduler counted it."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


def resident_kb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def free_port():
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, \
                socket.socket(socket.AF_INET, socket.SOCK_STREAM) as t:
            s.bind(("127.0.0.1", 0))
            try:
                t.bind(s.getsockname())
            except OSError:
                continue
            return s.getsockname()[1]


class Balancer:
    """dnsdist or ours: started, ready."""

    def __init__(self, program, more, folder, backends):
        self.port = free_port()
        config = pathlib.Path(folder) / f"{self.port}.conf"
        config.write_text(
            f'setLocal("127.0.0.1:{self.port}")\n'
            + "".join(f'newServer{{address="127.0.0.1:{p}", name="S{p}"}}\n' for p in backends)
            + "setServerPolicy(wrandom)\n" + more)
        path = str(pathlib.Path(folder) / f"{self.port}.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(10)
            self.process = subprocess.Popen(
                [program, *(FLAGS if program == str(OURS) else []), "--supervised", "-C", config,
                 "--disable-syslog"],
                stdout=subprocess.DEVNULL, env={**os.environ, "NOTIFY_SOCKET": path})
            while b"READY=1" not in notify.recv(200):
                pass

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Plain(Balancer):
    """A program of this folder that prints a line when it is ready: relay or echo."""

    def __init__(self, program, _more, _folder, backends):
        self.port = free_port()
        argv = ([program, "127.0.0.1", str(self.port)] if program.endswith("echo") else
                [program, str(self.port), str(min(os.cpu_count(), 4)), *map(str, backends)])
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()


def load(port, names, seconds, rate=0, tcp=False, flight=1000, sockets=20):
    """How many queries were answered, and lost, at a rate or as fast as may be."""
    out = subprocess.run(
        ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", names, "-l", str(seconds), "-c",
         str(sockets), "-q", str(flight), "-t", "1", *(["-Q", str(rate)] if rate else []),
         *(["-m", "tcp"] if tcp else [])],
        capture_output=True, text=True, check=True, env={**os.environ, "PATH": PATH}).stdout
    return tuple(int(re.search(rf"Queries {what}: +(\d+)", out)[1])
                 for what in ("completed", "lost"))


class Bench:
    def __init__(self, folder, backends, dnsdist):
        self.folder, self.backends, self.dnsdist = folder, backends, dnsdist
        self.relay, self.echo = (str(pathlib.Path(folder) / p) for p in ("relay", "echo"))
        rng = random.Random(1)
        self.names = self.write("names", (f"n{i}.example.org" for i in range(1000)))
        self.mixed = self.write("mixed", (
            ".".join(rng.choice("abcdefgh") * rng.randint(1, 20) for _ in range(rng.randint(2, 4)))
            for _ in range(1000)))

    def write(self, name, names):
        path = pathlib.Path(self.folder) / f"{name}.txt"
        path.write_text("".join(f"{n} A\n" for n in names))
        return path

    def start(self, program, more):
        plain = program in (self.relay, self.echo)
        return (Plain if plain else Balancer)(program, more, self.folder, self.backends)

    def turns(self, programs, more, measure):
        """measure(server) of each program, taking turns: the median of each."""
        got = {p: [] for p in programs}
        for _ in range(ROUNDS):
            for p in programs:
                server = self.start(p, more)
                try:
                    got[p].append(measure(server))
                finally:
                    server.stop()
        return {p: statistics.median(v) for p, v in got.items()}

    def cost(self, names, **how):
        """Microseconds of CPU per answered query."""
        def measure(server):
            load(server.port, names, 1, **how)
            pid, before = server.process.pid, cpu_ns(server.process.pid)
            done, lost = load(server.port, names, SECONDS, **how)
            us = (cpu_ns(pid) - before) / 1000 / max(done, 1)
            print(f"  {pathlib.Path(server.process.args[0]).name}: {us:.2f} us, "
                  f"{done / SECONDS:.0f}/s, {lost} lost, {resident_kb(pid)} KB", file=sys.stderr)
            return us
        return measure

    def highest(self, server):
        """The most answers a second with less than 0.1 % lost, whatever number is in flight.
        (dnsperf can't hold a rate above some 20,000 a second.)"""
        best = 0
        for flight in FLIGHTS:
            done, lost = load(server.port, self.names, 1, flight=flight)
            if lost <= LOST_MAX * done:
                best = max(best, done)
        print(f"  {pathlib.Path(server.process.args[0]).name}: {best}/s", file=sys.stderr)
        return best

    def memory(self, server):
        load(server.port, self.names, SECONDS)
        return resident_kb(server.process.pid)

    def row(self, name, unit, peers, measure, more=""):
        """peers: (program, its name, goal)."""
        got = self.turns([str(OURS)] + [p[0] for p in peers], more, measure)
        ours = got[str(OURS)]
        for program, peer_name, goal in peers:
            print(json.dumps({"name": f"balancer: {name}", "unit": unit, "ours": round(ours, 3),
                              "peer": round(got[program], 3), "peer_name": peer_name,
                              "ratio": round(ours / got[program], 3) if got[program] else None,
                              "goal": goal}), flush=True)

    def rows(self):
        cache = 'pc = newPacketCache(10000)\ngetPool(""):setCache(pc)\n'
        # the first of dnsdist's guide to policies
        lua = ("counter = 0\nfunction turns(servers, dq)\n  counter = counter + 1\n"
               "  return servers[1 + (counter % #servers)]\nend\n"
               'setServerPolicyLua("turns", turns)\n')
        dnsdist, relay = (self.dnsdist, "dnsdist"), (self.relay, "plain relay")
        us = "CPU us/query"
        return {
            "forwarded": lambda: self.row(
                "forwarded, saturated", us, [(*dnsdist, "<=0.60"), (*relay, "<=1.15")],
                self.cost(self.names)),
            "mixed": lambda: self.row(
                "forwarded, saturated, names of many lengths", us,
                [(*dnsdist, "<=0.60"), (*relay, "<=1.15")], self.cost(self.mixed)),
            "5000": lambda: self.row(
                "forwarded, 5,000 q/s", us, [(*dnsdist, "<=0.85"), (*relay, "<=1.15")],
                self.cost(self.names, rate=5000)),
            "20000": lambda: self.row(
                "forwarded, 20,000 q/s", us, [(*dnsdist, "<=0.85"), (*relay, "<=1.15")],
                self.cost(self.names, rate=20000)),
            "cache": lambda: self.row(
                "packet-cache hits, saturated", us,
                [(*dnsdist, "<=0.65"), (self.echo, "echo server", None)], self.cost(self.names),
                cache),
            "cache-alone": lambda: self.row(
                "packet-cache hits, saturated, a socket for each query", us,
                [(*dnsdist, None), (self.echo, "echo server", None)],
                self.cost(self.names, sockets=1000), cache),
            "lua": lambda: self.row(
                "forwarded by a Lua policy, saturated", us,
                [(*dnsdist, "<=1.0")], self.cost(self.names), lua),
            "tcp": lambda: self.row(
                "TCP on kept connections, saturated", us, [(*dnsdist, "<=0.8")],
                self.cost(self.names, tcp=True, flight=200)),
            "throughput": lambda: self.row(
                "forwarded with less than 0.1 % lost", "q/s",
                [(*dnsdist, ">=1.0"), (*relay, None)], self.highest),
            "memory": lambda: self.row(
                "resident memory after the load", "KB", [(*dnsdist, "<=1.0")], self.memory),
        }

    def run(self):
        for name, row in self.rows().items():
            if not ONLY or name in ONLY:
                print(f" {name}", file=sys.stderr)
                row()


def build(folder, compiler):
    for program in ("echo", "relay"):
        subprocess.run([compiler, "-O2", "-D_GNU_SOURCE", "-pthread", "-o",
                        pathlib.Path(folder) / program, ROOT / "tests" / "bench" / f"{program}.c"],
                       check=True)


def main():
    dnsdist, compiler = shutil.which("dnsdist", path=PATH), shutil.which("cc")
    if dnsdist is None or shutil.which("dnsperf", path=PATH) is None or compiler is None:
        skip("needs dnsdist, dnsperf and a C compiler")
    with tempfile.TemporaryDirectory() as folder:
        build(folder, compiler)
        backends = [subprocess.Popen([pathlib.Path(folder) / "echo"], stdout=subprocess.PIPE,
                                     text=True) for _ in range(2)]
        try:
            Bench(folder, [int(b.stdout.readline()) for b in backends], dnsdist).run()
        finally:
            for b in backends:
                b.kill()
                b.wait()


main()
