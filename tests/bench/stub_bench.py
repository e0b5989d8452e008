# SPDX-License-Identifier: BSD-3-Clause
"""CPU time per answer from a warm packet cache: recursor-stub beside Debian's pdns_recursor, which
forwards its few misses to the stub, and has its faster set-up: one thread that reads its socket
itself. Both are asked the same queries over the same loopback, turn by turn. Prints a JSON object a
line."""
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
STUB = ROOT / "build" / "bin" / "recursor-stub"
NAMES, TURNS = 1000, int(os.environ.get("STUB_BENCH_TURNS", "3"))
LOADS = [("saturated", 0, 40000), ("at 5,000 q/s", 5000, 7500)]  # name, rate, queries


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def query(name, ident):
    labels = b"".join(bytes([len(x)]) + x for x in name.encode().split(b".")) + b"\0"
    return ident.to_bytes(2, "big") + bytes([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + labels + \
        bytes([0, 1, 0, 1])


def cpu_ns(pid):
    """CPU time of all threads, from their schedstat."""
    return sum(int(t.read_text(encoding="ascii").split()[0])
               for t in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"))


class Server:
    def __init__(self, name, argv, port):
        self.name, self.port = name, port
        self.process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self, rate, queries, window=32):
        """Sends that many, at a rate or with a window of open ones; returns CPU us per answer."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect(("127.0.0.1", self.port))
        sock.settimeout(2)
        before, sent, got = cpu_ns(self.process.pid), 0, 0
        began = time.monotonic()
        while got < queries:
            while sent < queries and sent - got < window and \
                    (rate == 0 or time.monotonic() >= began + sent / rate):
                sock.send(WIRES[sent % NAMES])
                sent += 1
            if sent == got:
                time.sleep(max(0.0, began + sent / rate - time.monotonic()) if rate else 0)
                continue
            try:
                sock.recv(4096)
            except (socket.timeout, ConnectionError):
                break
            got += 1
        sock.close()
        return (cpu_ns(self.process.pid) - before) / 1000 / got if got else float("nan")

    def warm_up(self):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(0.2)
                s.connect(("127.0.0.1", self.port))
                try:
                    s.send(WIRES[0])
                    s.recv(4096)
                    break
                except OSError:
                    continue
        else:
            sys.exit(f"{self.name} doesn't answer")
        self.ask(0, 2 * NAMES, window=8)


WIRES = [query(f"name{i}.example.com", i) for i in range(NAMES)]


def start_stub(name, *args):
    port = free_port()
    return Server(name, [STUB, "--stub-miss=0", "--local-address=127.0.0.1",
                         f"--local-port={port}", *args], port)


def start_pdns(folder, upstream):
    port = free_port()
    argv = [shutil.which("pdns_recursor", path=os.environ["PATH"] + ":/usr/sbin"),
            f"--config-dir={folder}", f"--socket-dir={folder}", "--daemon=no", "--write-pid=no",
            "--local-address=127.0.0.1", f"--local-port={port}", "--dont-query=",
            f"--forward-zones-recurse=.=127.0.0.1:{upstream}", "--security-poll-suffix=",
            "--dnssec=off", "--setuid=", "--setgid=", "--quiet=yes", "--threads=1",
            "--pdns-distributes-queries=no", "--reuseport=yes"]
    pathlib.Path(folder, "recursor.conf").touch()
    return Server("pdns_recursor", argv, port)


def main():
    if not shutil.which("pdns_recursor", path=os.environ["PATH"] + ":/usr/sbin"):
        print("stub_bench: pdns_recursor isn't installed", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        upstream = start_stub("upstream")
        servers = [start_stub("recursor-stub", "--threads=1"), start_pdns(folder, upstream.port)]
        try:
            for s in servers:
                s.warm_up()
            for load, rate, queries in LOADS:
                figures = [[], []]
                for turn in range(TURNS):
                    for i in (0, 1) if turn % 2 else (1, 0):
                        figures[i].append(servers[i].ask(rate, queries))
                ours, peer = (statistics.median(f) for f in figures)
                print(json.dumps({
                    "name": f"stub: CPU per cached answer, {load}", "unit": "us",
                    "ours": round(ours, 2), "peer": round(peer, 2),
                    "peer_name": "pdns_recursor", "ratio": round(ours / peer, 3),
                    "goal": "<=1.0"}), flush=True)
        finally:
            for s in [*servers, upstream]:
                s.stop()


if __name__ == "__main__":
    main()
