# SPDX-License-Identifier: BSD-3-Clause
"""What the stress tests share: clients and servers that handle many messages in few calls, and the
balancer's memory. Every name is asked once, and every answer must have its question and ID."""
import os
import pathlib
import resource
import socket
import struct
import threading

import dns.message
import pytest

import ek
from test_balancer import until

LONG = os.environ.get("EK_STRESS") == "long"


def many_files(n):
    """Lets this process open n files, or skips."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < n:
        pytest.skip(f"only {hard} open files are allowed here, and {n} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def resident(pid):
    """Bytes of memory that a process holds; 0 with a sanitizer, whose own don't say anything."""
    if "san" in str(ek.BIN):
        return 0
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def wire(number, ident):
    """A query for a name that is the number's alone."""
    name = b"\x08%08d\x06stress\x07example\x00" % number
    return struct.pack("!HHHHHH", ident, 0x0100, 1, 0, 0, 0) + name + b"\0\1\0\1"


def answer(query):
    return query[:2] + b"\x81\x80" + query[4:]


class Holder:
    """A server over UDP that answers health checks and keeps all else, until the test answers."""

    def __init__(self, port=0):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for option in (33, socket.SO_RCVBUF):  # SO_RCVBUFFORCE: root alone
            try:
                self.socket.setsockopt(socket.SOL_SOCKET, option, 1 << 23)
                break
            except OSError:
                continue
        self.socket.bind(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        self.kept, self.running = [], True
        self.socket.settimeout(0.1)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.running:
            try:
                data, peer = self.socket.recvfrom(512)
            except socket.timeout:
                continue
            if b"root-servers" in data:
                self.socket.sendto(answer(data), peer)
            else:
                self.kept.append((data, peer))

    def where(self):
        return f"127.0.0.1:{self.port}"

    def stop(self):
        self.running = False
        self.thread.join()
        self.socket.close()


class Asker:
    """One client's socket; its queries by ID, at most 65,536 of them on their way."""

    def __init__(self, port, first):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.out, self.next = {}, first

    def ask(self):
        ident = self.next & 0xffff
        q = wire(self.next, ident)
        self.next += 1
        self.out[ident] = q
        self.socket.send(q)

    def take(self):
        """Takes what has come; how many."""
        n = 0
        while True:
            try:
                data = self.socket.recv(512, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return n
            q = self.out.pop(struct.unpack("!H", data[:2])[0], None)
            assert q is not None and data == answer(q), (q, data)
            n += 1


def sum_of(balancer, *names):
    counts = balancer.counters()
    return sum(counts[n] for n in names)


def answer_all(holders, askers, at_once=200):
    """The servers answer what they have kept, in an order of their own; all of it arrives."""
    for h in holders:
        h.kept.sort(key=lambda one: one[0][14:])  # by the names' middles
    while any(h.kept for h in holders):
        n = 0
        for h in holders:
            batch, h.kept = h.kept[:at_once], h.kept[at_once:]
            for data, peer in batch:
                h.socket.sendto(answer(data), peer)
            n += len(batch)
        got = 0

        def come():
            nonlocal got
            got += sum(a.take() for a in askers)
            return got == n
        until(come, f"{n} answers")


def parse(data):
    return dns.message.from_wire(data)
