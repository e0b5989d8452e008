# SPDX-License-Identifier: BSD-3-Clause
"""What a scenario has said at the balancers' consoles, in namespaces: drain, undrain, setDown and
setAuto, by each program's own client. In virtual time see test_virtual.py and test_scenarios.py."""
import concurrent.futures
import shutil
import subprocess

import pytest

import ek
from test_lab import events

pytestmark = pytest.mark.lab
SHORT = {'to = "15s"': 'to = "8s"', '"10s", "15s"': '"5500ms", "8s"', "catch = 0.10": "catch = 0.2",
         '"4s"': '"2s"', '"5s"': '"2500ms"', '"8s"  { start': '"4s" { start',
         '"9s"': '"5s"', "rate = 1000": "rate = 500", "zipf(1000)": "zipf(100)"}


def scenario(folder, config="", faults=True):
    """set-down.lua in half of its time."""
    folder.mkdir()
    shutil.copytree(ek.SCENARIOS / "blog", folder / "blog")
    (folder / "conf").mkdir()
    (folder / "conf" / "console.conf").write_text(
        (ek.SCENARIOS / "conf" / "console.conf").read_text() + config)
    text = (ek.SCENARIOS / "set-down.lua").read_text()
    for old, new in SHORT.items():
        assert old in text, old
        text = text.replace(old, new)
    lines = text.splitlines(keepends=True)
    (folder / "s.lua").write_text("".join(
        line for line in lines if faults or not line.startswith("at ") or "set" not in line))
    return folder / "s.lua"


def lab(folder, program="balancer", **what):
    other = ["--balancer", ek.tool("dnsdist")] if program == "dnsdist" else []
    return ek.run_valid(scenario(folder, **what), folder / "run", *ek.PATIENT, *other)


@pytest.fixture(scope="module")
def labs(tmp_path_factory):
    root = tmp_path_factory.mktemp("labs")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        yield {"balancer": pool.submit(lab, root / "ours"),
               "dnsdist": pool.submit(lab, root / "theirs", "dnsdist"),
               "unsaid": pool.submit(lab, root / "unsaid", faults=False),
               "refused": pool.submit(ek.run, scenario(root / "no", 'setConsoleACL("192.0.2.1")\n'),
                                      root / "no" / "run", *ek.PATIENT)}


def said(done):
    return [(e["kind"], e["verified"], e["evidence"]) for e in events(done.dir, "fault")
            if e["kind"].startswith("set")]


@pytest.mark.parametrize("program", ["balancer", "dnsdist"])
def test_a_server_that_is_set_down_may_die_and_come_back(labs, program):
    done = labs[program].result()
    assert done.status == ek.PASS, done.text
    assert said(done) == [("setDown", True, "2 running balancers were told"),
                          ("setAuto", True, "2 running balancers were told")]


def test_unsaid_its_death_costs_queries(labs):
    done = labs["unsaid"].result()
    assert done.status == ek.FAIL and done.expectation("lost")["verdict"] == "FAIL", done.text


def test_a_console_that_refuses_is_trouble_of_the_harness(labs):
    done = labs["refused"].result()
    assert done.status == ek.INVALID, done.text
    assert not said(done)[0][1] and said(done)[0][2].startswith("LB1 can't be told setDown(): ")


def test_what_dnsdist_has_no_command_for_is_refused():
    done = subprocess.run([ek.program("evenkeel"), "plan", "--balancer", ek.tool("dnsdist"),
                           ek.SCENARIOS / "drain.lua"], capture_output=True, text=True)
    assert done.returncode == ek.USAGE
    assert "dnsdist has no such command: expected setDown and setAuto" in done.stderr
