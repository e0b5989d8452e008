# SPDX-License-Identifier: BSD-3-Clause
"""The virtual engine's TCP: clients that are truncated to, with faults meanwhile, and what it
refuses."""
import json
import subprocess

import pytest

import ek
from test_virtual import (
    SYN, SYN_ACK, RST_ACK, FIN_ACK, assert_conserved, events, kinds, one_line, run, run_well,
    scenario)


def test_truncated_answers_are_fetched_over_tcp(tmp_path):
    """Through the balancers, and judged alike from the captures."""
    out = run_well(scenario(tmp_path, 'at "1s" { truncate = "DNS3" }'), tmp_path / "out")
    for load in events(out, "load"):
        assert load["tcp"] > 20 and load["answered"] == load["planned"]
    seen = [k for _, kind, k in kinds(out / "four.pcap") if kind == "tcp"]
    tcp = events(out, "load")[0]["tcp"]
    assert seen.count(SYN) == seen.count(SYN_ACK) == tcp and seen.count(FIN_ACK) == 2 * tcp
    back = [k for _, kind, k in kinds(out / "DNS1.pcap") if kind == "tcp"]
    assert 0 < back.count(SYN) < tcp / 3  # kept connections are used again
    told = json.loads((out / "verdict.json").read_text())["expectations"]
    assert json.loads((ek.judge(out).dir / "verdict.json").read_text())["expectations"] == told
    assert_conserved(out)


TCP_FAULTS = [  # faults besides truncating, what they must do to clients' queries
    ('at "1500ms" { kill = "DNS1" } at "2500ms" { start = "DNS1" }', lambda lost: lost < 250),
    ('at "1500ms" { hang = "DNS1" } at "2s" { resume = "DNS1" }', lambda lost: lost < 250),
    ('at "1500ms" { blackhole = "DNS1" } at "2s" { heal = "DNS1" }', lambda lost: lost < 250),
    ('at "1500ms" { kill = "LB1" } at "2500ms" { start = "LB1" }', lambda lost: 0 < lost < 900),
    ('at "1500ms" { hang = "LB1" } at "2s" { resume = "LB1" }', lambda lost: lost < 250),
]


@pytest.mark.parametrize("faults,expected", TCP_FAULTS, ids=[f[0] for f in TCP_FAULTS])
def test_faults_while_clients_are_on_tcp(tmp_path, faults, expected):
    path = scenario(tmp_path, 'at "500ms" { truncate = "DNS3" } ' + faults, to="4s")
    out = run_well(path, tmp_path / "out")
    loads = events(out, "load")
    assert all(e["tcp"] > 20 for e in loads)
    lost = sum(e["planned"] - e["answered"] for e in loads)
    assert expected(lost), loads
    told = json.loads((out / "verdict.json").read_text())["expectations"]
    assert json.loads((ek.judge(out).dir / "verdict.json").read_text())["expectations"] == told
    assert_conserved(out)


LOSSY = [  # faults, and whether TCP and loss meet in them
    ('at "1s" { loss = "LB1", ratio = 0.1 } at "2s" { truncate = "DNS3" }', True),
    ('at "1s" { truncate = "DNS3", ratio = 0.5 } at "2s" { loss = "DNS1", ratio = 0.1 }', True),
    ('at "1s" { loss = "LB1", ratio = 0.1 } at "2s" { heal = "LB1" } '
     'at "2500ms" { truncate = "DNS3" }', False),
    ('at "1s" { truncate = "DNS3" } at "2s" { truncate = "DNS3", ratio = 0 } '
     'at "2500ms" { loss = "LB1", ratio = 0.1 }', False),
    ('at "1s" { truncate = "DNS3" } at "2s" { duplicate = "LB1", ratio = 0.1 }', True),
    ('at "1s" { truncate = "DNS3" } at "2s" { reorder = "LB1", ratio = 0.1, by = "1ms" }', True),
    ('at "1s" { truncate = "DNS3" } at "2s" { rate = "LB1", bits = 100000000 }', True),
    ('at "1s" { truncate = "DNS3" } at "2s" { cut = "LB1", way = "out" }', True),
    ('at "1s" { rate = "LB1", bits = 0 } at "2s" { truncate = "DNS3" }', False),
    ('at "1s" { truncate = "DNS3" } at "2s" { jitter = "LB1", by = "1ms" }', False),
]


@pytest.mark.parametrize("faults,refused", LOSSY, ids=[f[0] for f in LOSSY])
def test_loss_on_tcp_is_refused_with_its_line(tmp_path, faults, refused):
    path = scenario(tmp_path, faults)
    done = run(path, tmp_path / "out")
    if not refused:
        assert done.returncode in (ek.PASS, ek.FAIL, ek.INCONCLUSIVE), done.stdout + done.stderr
        return
    line = 1 + path.read_text()[:path.read_text().index("truncate")].count("\n")
    assert f"{path}:{line}: truncate sends clients to TCP while a link loses, doubles" in \
        one_line(done)
    plan = subprocess.run([ek.program("evenkeel"), "plan", path], capture_output=True, text=True)
    assert "truncate sends clients to TCP while a link loses, doubles" in plan.stdout + plan.stderr


def test_truncated_answers_end_in_refused_connections(tmp_path):
    """Where the balancers don't listen on TCP."""
    out = run_well(scenario(tmp_path, 'at "1s" { truncate = "DNS3" }'), tmp_path / "out", "--set",
                   f"lab.balancers.config={ek.DATA / 'udp-only.conf'}")
    once, twice = events(out, "load")
    assert once["tcp"] == once["timed_out"] > 20
    assert twice["tcp"] > 20 and twice["retries"] > 20  # the second try may reach DNS1
    seen = list(kinds(out / "four.pcap"))
    assert set(seen) == {(4, "tcp", SYN), (4, "tcp", RST_ACK)}
    assert seen.count((4, "tcp", SYN)) == seen.count((4, "tcp", RST_ACK)) == once["tcp"]


EVEN = """
lab {
  balancers = { LB1 = { "192.160.102.2" }, config = "slow.conf" },
  recursors = { "DNS1", "DNS3", config = "RECURSOR" },
  clients = { net = "192.160.102.128/25", count = 50 },
  links = { delay = "50us" },
}
load { rate = 5000, to = "9s", names = zipf(1000), timeout = "1s" }
at "0s" { truncate = "DNS1" }
at "0s" { truncate = "DNS3" }
at "3s" { kill = "DNS1" }
expect { even { "DNS1", "DNS3", during = { FROM, TO }, catch = 0.05 } }
"""
SLOW = """setLocal("0.0.0.0:53")
setACL({"192.160.102.0/24"})
newServer{address="192.0.2.3", name="DNS1", checkInterval=3, maxCheckFailures=3}
newServer{address="192.0.2.4", name="DNS3", checkInterval=3, maxCheckFailures=3}
setServerPolicy(wrandom)
"""


@pytest.mark.parametrize("window,verdict",
                         [('"0s", "3s"', "PASS"), ('"0s", "9s"', "INCONCLUSIVE")])
def test_what_a_dead_recursor_refuses_over_tcp_is_no_skew(tmp_path, window, verdict):
    """Its checks haven't failed yet: what was drawn for it is seen at the other one only."""
    (tmp_path / "slow.conf").write_text(SLOW)
    path = tmp_path / "even.lua"
    path.write_text(EVEN.replace("FROM, TO", window).replace(
        "RECURSOR", str(ek.SCENARIOS / "blog/recursor.conf")))
    done = ek.run(path, tmp_path / "run", "--engine", "virtual")
    claim = done.expectation("even")
    assert claim["verdict"] == verdict, claim
    assert ("may have been refused by another server" in claim["why"]) == (verdict != "PASS")
