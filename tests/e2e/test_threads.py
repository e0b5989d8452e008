# SPDX-License-Identifier: BSD-3-Clause
"""Four workers under load from two clients while console, web server and reloads are at work. With
EK_BIN set to a build with the thread sanitizer (make tsan) this is where races would show."""
import os
import socket
import threading
import urllib.request

import ek
from test_balancer import (PATIENCE, Backend, ask, client, free_port, lab,  # noqa: F401
                           query, server)
from test_balancer_tcp import TcpBackend, framed, read_message
from test_console import KEY, say
from test_reload import reload, stop
from test_web import can_serve

ROUNDS = int(os.environ.get("EK_ROUNDS", "6"))


class Recording(Backend):
    """With a record, so that its answers are cached."""

    def answer(self, data):
        m = super().answer(data)
        if b"\x0croot-servers" in data:
            return m
        return m[:6] + b"\0\1" + m[8:] + b"\xc0\x0c\0\1\0\1\0\0\0\x02\0\4\x7f\0\0\1"


def test_everything_at_once(lab):
    backends = [Recording("127.0.0.1", free_port()) for _ in range(3)]
    lab.parts.extend(backends)
    for b in backends:
        lab.parts.append(TcpBackend(port=b.port))
    port, control, web = free_port("127.0.0.1"), free_port(), free_port()
    begin = (f'setLocal("127.0.0.1:{port}", {{maxInFlight=8}})\n'
             f'controlSocket("127.0.0.1:{control}")\nsetKey("{KEY}")\n'
             'getPool(""):setCache(newPacketCache(100))\nsetMaxTCPConnectionsPerClient(50)\n')
    if can_serve():
        begin += (f'webserver("127.0.0.1:{web}")\n'
                  'setWebserverConfig({password="secret", statsRequireAuthentication=false})\n')
    servers = [server(b, f"DNS{i}") for i, b in enumerate(backends)]
    it = lab.balancer(begin + "".join(servers[:2]), "-w", "4").ready()
    done, answered, wrong = threading.Event(), [0, 0], []

    def load(i):
        try:
            while not done.is_set():
                with client("127.0.0.1", port) as s, \
                        socket.create_connection(("127.0.0.1", port), PATIENCE) as t:
                    t.settimeout(PATIENCE)
                    for k in range(20):
                        q = query(f"n{k if i else answered[i]}.example.")
                        assert ask(s, q).question == q.question
                        t.sendall(framed(q.to_wire()))
                        assert read_message(t)[:2] == q.to_wire()[:2]
                        answered[i] += 2
        except Exception as e:  # a thread's end must show in the test
            wrong.append(e)
    threads = [threading.Thread(target=load, args=(i,)) for i in range(2)]
    for t in threads:
        t.start()
    program = ek.program("balancer")
    policies = ["wrandom", "roundrobin", "leastOutstanding", "firstAvailable", "whashed"]
    for i in range(ROUNDS):
        for command in ("showServers()", "dumpStats()", "getServer(0):setDown()",
                        "getServer(1):setQPS(1000)", "getServer(0):setUp()",
                        "getServer(0):setDrain(true)", "getServer(0):setDrain(false)",
                        "getServer(0):setAuto(true)"):
            assert "Error" not in say(program, it.file, command)
        if can_serve():
            for path in ("/metrics", "/jsonstat?command=stats"):
                with urllib.request.urlopen(f"http://127.0.0.1:{web}{path}",
                                            timeout=PATIENCE) as a:
                    assert a.status == 200
        reload(it, begin + f"setServerPolicy({policies[i % len(policies)]})\n"
               + "".join(servers[k] for k in [(0, 1), (1, 2), (0, 1, 2), (2, 0)][i % 4]))
    done.set()
    for t in threads:
        t.join()
    assert not wrong and min(answered) > 0
    counts = it.counters()
    assert counts["reloads"] == ROUNDS and counts["outstanding"] == 0
    assert counts["forwarded"] == counts["answered"] + counts["timeouts"]
    assert stop(it) == ""
