# SPDX-License-Identifier: BSD-3-Clause
"""Our captures in somebody else's reader: with checksum validation on, tshark finds nothing wrong
in any frame; and they hold as many frames as the interfaces counted."""
import json
import struct
import subprocess

import pytest

import ek

pytestmark = pytest.mark.lab

SCENARIO = """
lab {{
  balancers = {{ LB1 = {{ "192.160.102.2", "2605:e200:d000::2" }}, config = "{dnsdist}" }},
  recursors = {{ "DNS1", "DNS3", config = "{recursor}", miss = "5ms" }},
  clients = {{ four = {{ net = "192.160.102.128/25", count = 20 }},
              six = {{ net = "2605:e200:d000:1::/64", count = 20 }} }},
}}
load {{ rate = 200, to = "1s", names = zipf(50), timeout = "500ms", clients = "four" }}
load {{ rate = 200, to = "1s", names = unique(), timeout = "500ms", clients = "six",
       types = {{ A = 0.5, TXT = 0.5 }}, edns = false }}
at "500ms" {{ kill = "DNS1" }}
expect {{ answers {{ wrong = 0, duplicate = 0 }} }}
"""
CHECKSUMS = ["ip.check_checksum:TRUE", "udp.check_checksum:TRUE", "tcp.check_checksum:TRUE"]
BAD = ("_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0 || "
       "tcp.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0 || "
       "_ws.expert.group == \"Checksum\" || _ws.expert.group == \"Malformed\"")


def tshark(path, display_filter):
    options = [arg for c in CHECKSUMS for arg in ("-o", c)]
    done = subprocess.run([ek.tool("tshark"), "-n", "-r", str(path), *options,
                           "-Y", display_filter], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "cut short" not in done.stderr
    return done.stdout.splitlines()


def records(path):
    """How many records a capture has, by walking over them."""
    data, at, n = path.read_bytes(), 24, 0
    while at < len(data):
        at += 16 + struct.unpack_from("<I", data, at + 8)[0]
        n += 1
    assert at == len(data)
    return n


def test_captures_open_without_a_warning_and_hold_every_frame(tmp_path):
    ek.tool("tshark")
    path = tmp_path / "small.lua"
    path.write_text(SCENARIO.format(dnsdist=ek.SCENARIOS / "blog" / "dnsdist.conf",
                                    recursor=ek.SCENARIOS / "blog" / "recursor.conf"))
    done = ek.run_valid(path, tmp_path / "run", *ek.PATIENT)
    assert done.status == ek.PASS, done.text
    nodes = [json.loads(line) for line in (done.dir / "events.jsonl").read_text().splitlines()]
    counts = {e["node"]: e["if_sent"] + e["if_received"] for e in nodes if e["event"] == "node"}
    captures = sorted(done.dir.glob("*.pcap"))
    assert len(captures) == 5
    for capture in captures:
        assert tshark(capture, BAD) == []
        assert records(capture) == counts[capture.stem]
