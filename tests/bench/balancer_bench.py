# SPDX-License-Identifier: BSD-3-Clause
"""CPU time per forwarded query of our balancer against dnsdist's: the same configuration, backends
and generator on loopback, taking turns. One JSON object a line for each rate."""
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = pathlib.Path(os.environ.get("EK_BIN", ROOT / "build" / "bin")) / "balancer"
RATES = (5000, 20000)
ROUNDS, SECONDS = 3, 2
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin"


def skip(reason):
    print(f"balancer_bench: skipped: {reason}", file=sys.stderr)
    sys.exit(0)


def cpu_ns(pid):
    """On-CPU time of all threads of a process."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A program under test: started, ready, ended."""

    def __init__(self, program, folder, backends):
        self.port = free_port()
        config = pathlib.Path(folder) / f"{self.port}.conf"
        config.write_text(
            f'setLocal("127.0.0.1:{self.port}")\n'
            + "".join(f'newServer{{address="127.0.0.1:{p}", name="S{p}"}}\n' for p in backends)
            + "setServerPolicy(wrandom)\n")
        path = str(pathlib.Path(folder) / f"{self.port}.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(10)
            self.process = subprocess.Popen(
                [program, "--supervised", "-C", config, "--disable-syslog"],
                stdout=subprocess.DEVNULL, env={**os.environ, "NOTIFY_SOCKET": path})
            while b"READY=1" not in notify.recv(200):
                pass

    def stop(self):
        self.process.terminate()
        self.process.wait()


def load(port, rate, names, seconds):
    """Sends at the rate; returns how many queries were answered, and lost."""
    out = subprocess.run(
        ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", names, "-Q", str(rate), "-l",
         str(seconds), "-c", "20", "-q", "1000"], capture_output=True, text=True, check=True,
        env={**os.environ, "PATH": PATH}).stdout
    return tuple(int(re.search(rf"Queries {what}: +(\d+)", out)[1])
                 for what in ("completed", "lost"))


def measure(server, rate, names):
    """Microseconds of CPU per answered query."""
    load(server.port, rate, names, 1)
    before, start = cpu_ns(server.process.pid), time.monotonic()
    completed, lost = load(server.port, rate, names, SECONDS)
    cost = (cpu_ns(server.process.pid) - before) / 1000 / max(completed, 1)
    print(f"  {server.process.args[0]}: {rate} q/s, {cost:.2f} us, {lost} lost, "
          f"{time.monotonic() - start:.1f} s", file=sys.stderr)
    return cost


def bench(programs, folder, backends, names):
    for rate in RATES:
        costs = {p: [] for p in programs}
        for _ in range(ROUNDS):
            for p in programs:
                server = Server(p, folder, backends)
                try:
                    costs[p].append(measure(server, rate, names))
                finally:
                    server.stop()
        ours, peer = (round(statistics.median(costs[p]), 3) for p in programs)
        print(json.dumps({"name": f"balancer: CPU per query at {rate} q/s", "unit": "us",
                          "ours": ours, "peer": peer, "peer_name": "dnsdist",
                          "ratio": round(ours / peer, 3), "goal": "<=1.0"}), flush=True)


def main():
    dnsdist, compiler = shutil.which("dnsdist", path=PATH), shutil.which("cc")
    if dnsdist is None or shutil.which("dnsperf", path=PATH) is None or compiler is None:
        skip("needs dnsdist, dnsperf and a C compiler")
    with tempfile.TemporaryDirectory() as folder:
        echo = pathlib.Path(folder) / "echo"
        subprocess.run([compiler, "-O2", "-D_GNU_SOURCE", "-o", echo,
                        ROOT / "tests" / "bench" / "echo.c"], check=True)
        names = pathlib.Path(folder) / "names"
        names.write_text("".join(f"n{i}.example.org A\n" for i in range(1000)))
        backends = [subprocess.Popen([echo], stdout=subprocess.PIPE, text=True) for _ in range(2)]
        try:
            bench([str(OURS), dnsdist], folder, [int(b.stdout.readline()) for b in backends], names)
        finally:
            for b in backends:
                b.kill()
                b.wait()


main()
