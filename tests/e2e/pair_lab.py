# SPDX-License-Identifier: BSD-3-Clause
"""Runs balancers on the configurations of tests/configs, each in a network namespace of its own,
between clients and servers that are sockets of this process in another one, which has every
address that the balancer hasn't, and writes what came of each line of its .ask file. It is a
program, started under `unshare -Ur`:
    pair_lab.py OUT JOBS NAME=PROGRAM[,ARG]... ... -- NAME:FILE.ask ...
writes OUT/FILE.NAME.json for each. One loop does everything, so what a server has received is known
when a later query of the same socket has been answered: silence is proven by that, not waited
for."""
import base64
import collections
import ctypes
import json
import os
import pathlib
import random
import re
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

import pair_ask
import pair_wire

CLONE_NEWNET, PR_SET_PDEATHSIG = 0x40000000, 1
LIMIT = 20.0    # seconds until what must come counts as missing
UNSURE = 3.0    # for an answer that a server gave to a query of the common list
REFUSING = 0.3  # for an answer that a server gave, where silence is expected
MAC = "address 02:00:00:00:00:01"  # of both ends, as nobody asks for the other's
FREEBIND = {socket.AF_INET: (socket.IPPROTO_IP, 15), socket.AF_INET6: (socket.IPPROTO_IPV6, 78)}
LIBC = ctypes.CDLL(None, use_errno=True)


def new_namespace():
    """Goes into a new network namespace; a file descriptor of it."""
    if LIBC.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    return os.open("/proc/self/ns/net", os.O_RDONLY)


def ip(*lines):
    """What iproute2 is to do in the namespace that we are in."""
    done = subprocess.run(["/usr/sbin/ip", "-batch", "-"], input="\n".join(lines), text=True,
                          check=False, capture_output=True)
    if done.returncode != 0:
        raise OSError(done.stderr)


def bound(kind, host, port=0):
    """A socket with that address, which no interface needs to have."""
    s = socket.socket(family(host), kind)
    s.setsockopt(*FREEBIND[s.family], 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, port))
    return s


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class Late(Exception):
    """Something that had to come didn't."""


class Loop:
    """Sockets and what is to be done when they can be read."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()

    def add(self, sock, call):
        sock.setblocking(False)
        self.selector.register(sock, selectors.EVENT_READ, call)
        return sock

    def drop(self, sock):
        self.selector.unregister(sock)
        sock.close()

    def turn(self, timeout):
        for key, _ in self.selector.select(timeout):
            if key.fileobj.fileno() >= 0:
                key.data(key.fileobj)

    def until(self, condition, timeout=LIMIT):
        """Turns until the condition holds; whether it did in time."""
        end = time.monotonic() + timeout
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.turn(min(left, 0.02))
        return True

    def settle(self):
        """Everything that waits in a socket is read."""
        while ready := self.selector.select(0):
            for key, _ in ready:
                if key.fileobj.fileno() >= 0:
                    key.data(key.fileobj)


class Stream:
    """A TCP connection: messages in, and whether it is over."""

    def __init__(self, loop, sock, take):
        self.loop, self.sock, self.take = loop, loop.add(sock, self.read), take
        self.data, self.over = b"", False

    def read(self, _):
        try:
            more = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if not more:
            self.close()
            return
        self.data += more
        while len(self.data) >= 2 and len(self.data) >= 2 + int.from_bytes(self.data[:2], "big"):
            n = 2 + int.from_bytes(self.data[:2], "big")
            m, self.data = self.data[2:n], self.data[n:]
            self.take(self, m)

    def send(self, m):
        try:
            self.sock.sendall(struct.pack("!H", len(m)) + m)
        except OSError:
            self.close()

    def close(self):
        if not self.over:
            self.over = True
            self.loop.drop(self.sock)


class Server:
    """One server of the configuration, over UDP and TCP."""

    def __init__(self, lab, name, index, address):
        self.loop, self.log, self.probes = lab.loop, lab.received, lab.script.probes
        self.name, self.index, self.address = name, index, address
        self.sockets, self.streams, self.health = [], [], "NOERROR"

    def start(self):
        host, port = pair_ask.endpoint(self.address)
        for kind, call in ((socket.SOCK_DGRAM, self.datagram), (socket.SOCK_STREAM, self.accept)):
            s = bound(kind, host, port)
            if kind == socket.SOCK_STREAM:
                s.listen(64)
            self.sockets.append(self.loop.add(s, call))

    def kill(self):
        for s in self.sockets:
            self.loop.drop(s)
        for s in self.streams:
            s.close()
        self.sockets, self.streams = [], []

    def datagram(self, sock):
        try:
            m, peer = sock.recvfrom(65535)
        except OSError:
            return
        reply = self.reply("udp", m)
        if reply is not None:
            sock.sendto(reply, peer)

    def accept(self, sock):
        try:
            conn, _ = sock.accept()
        except OSError:
            return
        self.streams.append(Stream(self.loop, conn, self.message))

    def message(self, stream, m):
        reply = self.reply("tcp", m)
        if reply is not None:
            stream.send(reply)

    def reply(self, proto, m):
        reply = pair_wire.answer(m, self.index, proto == "tcp")
        if pair_wire.name_text(m) in self.probes:
            reply = pair_wire.with_rcode(reply, self.health)
        self.log(self.name, proto, m, reply is not None)
        return reply


class Lab:
    """A namespace with servers, one balancer, and the clients that the script speaks of."""

    def __init__(self, script, argv, folder):
        self.script, self.argv, self.loop = script, argv, Loop()
        self.random = random.Random(1)
        self.probes, self.log, self.held = set(), [], []
        self.servers = {n: Server(self, n, i, a)
                        for i, (n, a) in enumerate(script.servers.items(), 1)}
        self.network()
        for s in self.servers.values():
            s.start()
        self.output = folder / "output"
        self.folder = script.conf.parent
        if script.next.exists():  # it changes on the way: a copy of it
            self.folder = folder
            shutil.copy(script.conf, folder)
        self.start(folder)

    def network(self):
        """Two namespaces with a cable between, one for us, one for the balancer, which has the
        addresses that it is asked at; every other address is ours. Who is called into the
        balancer's namespace goes through self.enter."""
        fronts = {pair_ask.endpoint(f)[0] for f in self.script.fronts}
        mine, theirs = new_namespace(), new_namespace()
        self.enter = lambda: LIBC.setns(theirs, CLONE_NEWNET)
        ip("link set lo up", f"link add cable {MAC} type veth peer name cable {MAC} netns "
           f"/proc/{os.getpid()}/fd/{mine}", "link set cable arp off up")
        LIBC.setns(mine, CLONE_NEWNET)
        ip("link set lo up", "link set cable arp off up",
           "route add local 0.0.0.0/0 dev lo table main", "route add local ::/0 dev lo table main",
           *[f"route add {f} dev cable" for f in fronts])
        self.enter()
        ip(*[f"addr add {f} dev cable" for f in fronts],
           "route add 0.0.0.0/0 dev cable", "route add ::/0 dev cable")
        LIBC.setns(mine, CLONE_NEWNET)

    def start(self, folder):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(folder / "notify"))
        ready = []
        self.loop.add(notify, lambda s: ready.append(s.recv(4096)))
        with open(self.output, "wb") as out:
            self.process = subprocess.Popen(
                [*self.argv, "--supervised", "-C", self.script.conf.name],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify")},
                preexec_fn=self.enter_and_die_with_us)
        ok = self.loop.until(lambda: any(b"READY=1" in r for r in ready) or
                             self.process.poll() is not None)
        if not ok or self.process.poll() is not None:
            raise Late(f"{self.argv[0]} isn't ready:\n{self.said()}")

    def enter_and_die_with_us(self):
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        self.enter()

    def said(self):
        return self.output.read_text(encoding="utf-8", errors="replace")

    def received(self, server, proto, m, answered):
        if pair_wire.name_text(m) in self.script.probes:
            self.probes.add((server, proto, m[2:].hex()))
        elif m[2:] != self.barrier_message:
            self.log.append({"server": server, "proto": proto, "bytes": m[2:].hex(),
                             "answered": answered})

    # ---- asking ----

    barrier_message = struct.pack("!5H", 0x0100, 0, 0, 0, 0)

    def client(self, ask):
        s = bound(socket.SOCK_DGRAM, ask.client)
        s.connect(pair_ask.endpoint(ask.front))
        return s

    def barrier(self, sock, ask, got):
        """Two queries without a question, one after the other: what came before is done."""
        own = "denied" in ask.expect
        if own:
            sock = bound(socket.SOCK_DGRAM, self.script.client)
            sock.connect(pair_ask.endpoint(ask.front))
            self.loop.add(sock, lambda s: got.append(s.recv(65535)))
        for _ in range(2):
            m = struct.pack("!H", self.random.randrange(65536)) + self.barrier_message
            sock.send(m)
            if not self.loop.until(lambda m=m: any(a[:2] == m[:2] and len(a) == 12 for a in got)):
                raise Late(f"{ask.label}: no answer to a query without a question")
            got[:] = [a for a in got if a[:2] != m[:2] or len(a) != 12]
        self.loop.settle()
        if own:
            self.loop.drop(sock)

    def patience(self, ask):
        """How long to wait for the answer that a server has given."""
        if not ask.expect:
            return UNSURE
        return REFUSING if ask.expect[0] == "silence" else LIMIT

    def udp(self, ask, i):
        self.log.clear()
        m, got, late = ask.message(self.random.randrange(65536), i), [], False
        sock = self.loop.add(self.client(ask), lambda s: got.append(s.recv(65535)))
        sock.send(m)
        quick = {"silence": 0.0, "limit": 0.01, "": 0.02}.get((ask.expect or [""])[0], LIMIT)
        quick = 0.05 if "late" in ask.expect else quick
        if not self.loop.until(lambda: got, quick):
            self.barrier(sock, ask, got)
            late = not got and "late" in ask.expect
            if not got and (late or any(e["answered"] for e in self.log)):
                self.loop.until(lambda: got, self.patience(ask))
        self.loop.settle()
        self.loop.drop(sock)
        return self.record(ask, m, got[0] if got else None, late)

    def record(self, ask, m, answer, late=False, over=False):
        r = {"kind": "closed" if over else "silence", "tc": False, "late": late, "ips": [],
             "servers": [], "answer": None, "forwarded": []}
        for e in self.log:
            if e["server"] not in r["servers"]:
                r["servers"].append(e["server"])
            r["forwarded"].append([e["proto"], e["bytes"]])
        if answer is not None:
            r.update(pair_wire.described(answer))
            if answer[:2] != m[:2]:
                r["kind"] = "another ID"
            still = pair_wire.still(answer)
            if self.script.routing == "any":
                still = pair_wire.anonymous(still, len(self.servers))
            r["answer"] = still.hex()
        return r

    def tcp(self, ask, i, stream):
        """One question on the connection; None: on none."""
        self.log.clear()
        got = []
        m = ask.message(self.random.randrange(65536), i)
        if stream is not None:
            stream.take = lambda _, a: got.append(a)
            stream.send(m)
            if not self.loop.until(lambda: got or stream.over):
                return {**self.record(ask, m, None), "kind": "stuck"}
        self.loop.settle()
        return self.record(ask, m, got[0] if got else None, over=True)

    def open(self, ask):
        """A connection; None: refused, or closed at once."""
        s = bound(socket.SOCK_STREAM, ask.client)
        s.settimeout(LIMIT)
        try:
            s.connect(pair_ask.endpoint(ask.front))
        except OSError:
            s.close()
            return None
        return Stream(self.loop, s, lambda *_: None)

    def run_tcp(self, ask):
        out = []
        for i in range(ask.times):
            stream = self.open(ask)
            out.append(self.tcp(ask, i, stream))
            if stream is not None:
                stream.close()
        return out

    def run_pipe(self, ask):
        """All questions on one connection at once; answers in any order."""
        self.log.clear()
        got, sent = {}, []
        stream = self.open(ask)
        if stream is not None:
            stream.take = lambda _, a: got.__setitem__(a[:2], a)
            for i in range(ask.times):
                sent.append(ask.message(1000 + i, i))
                stream.send(sent[-1])
            self.loop.until(lambda: len(got) == len(sent) or stream.over)
            if not stream.over:
                stream.close()
        return [self.record(ask, m, got.get(m[:2]), over=True) for m in sent]

    def run_stream(self, ask):
        """All questions on one connection, one after the other."""
        stream = self.open(ask)
        out = [self.tcp(ask, i, stream) for i in range(ask.times)]
        if stream is not None:
            stream.close()
        return out

    def ask(self, ask):
        start = time.monotonic()
        if ask.proto == "udp":
            records = [self.udp(ask, i) for i in range(ask.times)]
        else:
            records = {"tcp": self.run_tcp, "stream": self.run_stream,
                       "pipe": self.run_pipe}[ask.proto](ask)
        return {"label": ask.label, "records": records, "seconds": time.monotonic() - start}

    # ---- what is done between questions ----

    def step(self, words):
        getattr(self, "do_" + words[0])(*words[1:])

    def must(self, condition, what):
        if not self.loop.until(condition):
            raise Late(f"{what}:\n{self.said()}")

    def marked(self, name, state):
        return len(re.findall(rf"downstream {re.escape(name)} .*'{state}'", self.said()))

    def change(self, names, state, act):
        """act(server) for each, and the balancer says so of each."""
        before = {n: self.marked(n, state) for n in names}
        for n in names:
            act(self.servers[n])
        self.must(lambda: all(self.marked(n, state) > before[n] for n in names),
                  f"{names} not marked {state}")

    def do_kill(self, *names):
        self.change(names, "down", Server.kill)

    def do_start(self, *names):
        self.change(names, "up", Server.start)

    def do_says(self, name, rcode):
        """The server's answer to probes from now on."""
        self.change([name], "up" if rcode == "NOERROR" else "down",
                    lambda s: setattr(s, "health", rcode))

    def do_gone(self, *names):
        """Ends servers that nobody checks."""
        for n in names:
            self.servers[n].kill()

    def tcp_ask(self, client):
        return pair_ask.parse_ask(f"{client} tcp held.example A", self.script.fronts[0])

    def do_hold(self, n, client):
        """Connections that stay open, after one question each."""
        for i in range(int(n)):
            self.held.append(self.open(self.tcp_ask(client)))
            self.tcp(self.tcp_ask(client), i, self.held[-1])

    def do_release(self, client):
        """Those are closed; the balancer knows when it takes another one."""
        for s in self.held:
            s.close()
        self.held, got = [], []

        def taken():
            if not got or got[-1].over:
                got.append(self.open(self.tcp_ask(client)))
                got[-1].answers = []
                got[-1].take = lambda s, a: s.answers.append(a)
                got[-1].send(self.tcp_ask(client).message(1, 0))
            return got[-1].answers
        self.must(taken, f"no new connection of {client}")
        got[-1].close()

    def do_idle(self, client, data=b""):
        """A connection that says nothing is closed."""
        stream = self.open(self.tcp_ask(client))
        if data:
            stream.sock.send(data)
        self.must(lambda: stream.over, "an idle connection isn't closed")

    def do_half(self, client):
        """One that says half a question is closed, too."""
        self.do_idle(client, b"\0\x21\0\1\1")

    def do_said(self, *words):
        """Waits for a line of output with these words."""
        text = " ".join(words)
        self.must(lambda: text in self.said(), f"never said {text!r}")

    def do_reload(self):
        """The file becomes what .next has, and the balancer reads it again."""
        before = self.said().count(" reloaded: ")
        shutil.copy(self.script.next, self.folder / self.script.conf.name)
        self.process.send_signal(signal.SIGHUP)
        self.must(lambda: self.said().count(" reloaded: ") > before, "not reloaded")

    def do_console(self, *words):
        """A command through the program's own client."""
        client = subprocess.Popen([*self.argv, "-C", self.script.conf.name, "-e", " ".join(words)],
                                  cwd=self.folder, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  preexec_fn=self.enter_and_die_with_us)
        self.must(lambda: client.poll() is not None, "the console's client didn't end")
        if client.returncode != 0:
            raise Late(f"console: {words}: status {client.returncode}")

    def do_web(self, client, address, path, status, password=""):
        """A GET; the password goes as such and as an API key."""
        lines = [f"GET {path} HTTP/1.1", "Host: lab", "Connection: close"]
        if password:
            basic = base64.b64encode(f"x:{password}".encode()).decode()
            lines += [f"Authorization: Basic {basic}", f"X-API-Key: {password}"]
        with bound(socket.SOCK_STREAM, client) as s:
            s.settimeout(LIMIT)
            s.connect(pair_ask.endpoint(address))
            s.sendall("\r\n".join([*lines, "", ""]).encode())
            said = s.recv(4096).decode("latin-1").splitlines()[0]
        if said.split()[1] != status:
            raise Late(f"{path}: {said}: expected {status}")

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def run(path, argv, out):
    """One configuration, one balancer; what came of it, or why nothing did."""
    script = pair_ask.read(path)
    lines = list(script.lines)
    if script.odd:
        lines += pair_ask.read(path.parent / "common.ask", script.client, script.fronts[0]).lines
    found, lab = {"error": "", "lines": [], "probes": []}, None
    with tempfile.TemporaryDirectory(prefix="ek-pair-") as folder:
        try:
            lab = Lab(script, argv, pathlib.Path(folder))
            for line in lines:
                if isinstance(line, pair_ask.Step):
                    lab.step(line.words)
                else:
                    found["lines"].append(lab.ask(line))
            if lab.process.poll() is not None:
                raise Late(f"it ended:\n{lab.said()}")
        except (Late, OSError) as e:
            found["error"] = f"{e}\n{traceback.format_exc(limit=4)}"
        if lab is not None and hasattr(lab, "process"):
            lab.end()
            found["probes"] = sorted(lab.probes)
            found["said"] = lab.said()
    out.write_text(json.dumps(found), encoding="utf-8")


def main(argv):
    out, jobs = pathlib.Path(argv[1]), int(argv[2])
    at = argv.index("--")
    programs = dict(p.split("=", 1) for p in argv[3:at])
    work = collections.deque(w.split(":", 1) for w in argv[at + 1:])
    running = set()
    while work or running:
        if work and len(running) < jobs:
            name, file = work.popleft()
            path, program = pathlib.Path(file), programs[name]
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                    run(path, program.split(","), out / f"{path.stem}.{name}.json")
                    status = 0
                except Exception:  # pylint: disable=broad-except
                    traceback.print_exc()
                os._exit(status)
            running.add(pid)
            continue
        running.discard(os.wait()[0])


if __name__ == "__main__":
    main(sys.argv)
