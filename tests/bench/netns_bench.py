#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Laying out a lab and taking it down: evenkeel against one `ip -batch` that makes as many
namespaces, veths, addresses and routes; alternating, medians. As root, because ip's named
namespaces want it. The lab's programs are /bin/true: only the ground is measured."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
EVENKEEL = ROOT / "build" / "bin" / "evenkeel"
ROUNDS = 5


def scenario(folder, nodes):
    """A lab of a client, two balancers and recursors, nodes in all."""
    names = [f"R{i}" for i in range(1, nodes - 2)]
    (folder / "bench.conf").write_text(
        'setLocal("0.0.0.0:53")\nsetACL({"192.160.102.0/24"})\nsetServerPolicy(roundrobin)\n' +
        "".join(f'newServer{{address="192.0.2.{i + 1}", name="{n}"}}\n'
                for i, n in enumerate(names)))
    (folder / "recursor.conf").write_text("local-address=0.0.0.0\nallow-from=192.160.102.0/24\n")
    path = folder / "bench.lua"
    path.write_text(f"""
lab {{ balancers = {{ LB1 = {{ "192.160.102.2" }}, LB2 = {{ "192.160.102.3" }},
                     config = "bench.conf" }},
      recursors = {{ {", ".join(f'"{n}"' for n in names)}, config = "recursor.conf" }},
      clients = {{ net = "192.160.102.128/25", count = 10 }} }}
load {{ rate = 10, to = "1s", names = zipf(50), timeout = "500ms" }}
expect {{ answers {{ wrong = 0 }} }}
""")
    return path


def ours(folder, nodes):
    """(set-up, tear-down) in ms."""
    out = folder / "out"
    subprocess.run([EVENKEEL, "run", "--out", out, "--recursor", "/bin/true",
                    scenario(folder, nodes)], capture_output=True, check=False, timeout=120)
    events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    by = {e["event"]: e for e in events}
    return by["setup"]["setup_us"] / 1000, by["end"]["teardown_us"] / 1000


def batch(nodes):
    """The same ground as commands of ip: the wire is a namespace too, so that all can go."""
    yield "netns add ekb-wire"
    for i in range(nodes):
        yield f"netns add ekb-{i}"
        yield f"link add eth0 netns ekb-{i} type veth peer name w{i} netns ekb-wire"


def inner(i):
    yield "link set lo up"
    yield "link set eth0 arp off up"
    yield f"addr add 192.0.2.{i + 1}/32 dev eth0"
    yield f"addr add 2001:db8::{i + 1:x}/128 dev eth0 nodad"
    yield "route add default dev eth0"


def ip(*args, text=None):
    subprocess.run(["ip", *args], input=text, text=True, check=True, capture_output=True)


def peer(nodes):
    begun = time.monotonic()
    ip("-batch", "-", text="\n".join(batch(nodes)) + "\n")
    for i in range(nodes):
        ip("-n", f"ekb-{i}", "-batch", "-", text="\n".join(inner(i)) + "\n")
    ip("-n", "ekb-wire", "-batch", "-",
       text="".join(f"link set w{i} arp off up\n" for i in range(nodes)))
    up = time.monotonic()
    ip("-batch", "-", text="".join(f"netns del ekb-{i}\n" for i in [*range(nodes), "wire"]))
    return (up - begun) * 1000, (time.monotonic() - up) * 1000


def main():
    if os.geteuid() != 0:
        print("netns_bench: skipped: ip's namespaces want root", file=sys.stderr)
        return
    for nodes in (5, 105):
        ek, other = [], []
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(ROUNDS):
                ek.append(ours(pathlib.Path(folder), nodes))
                other.append(peer(nodes))
        for k, what in enumerate(("set-up", "tear-down")):
            a = statistics.median(e[k] for e in ek)
            b = statistics.median(o[k] for o in other)
            print(json.dumps({"name": f"{what} of {nodes} nodes", "unit": "ms",
                              "ours": round(a, 2), "peer": round(b, 2), "peer_name": "ip -batch",
                              "ratio": round(a / b, 3), "goal": "<=1.0"}), flush=True)


main()
