# SPDX-License-Identifier: BSD-3-Clause
"""Recursors that give captured answers, in a lab: what real programs said once is what clients get,
and a recursor that makes its own is found out. A foreign recursor can't, and is refused."""
import json
import re
import subprocess

import pytest

import ek

SCENARIO = ek.SCENARIOS / "as-captured.lua"


def test_a_foreign_recursor_is_refused():
    done = subprocess.run([ek.program("evenkeel"), "plan", "--recursor", ek.tool("pdns_recursor"),
                           SCENARIO], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == ek.USAGE and done.stderr.count("\n") == 1
    assert "recursors.answers: " in done.stderr and "expected our recursor-stub" in done.stderr


def test_the_plan_says_what_has_no_answer():
    other = ek.ROOT / "pcaps" / "office" / "clients.pcap.gz"
    done = subprocess.run([ek.program("evenkeel"), "plan", "--set", f"load.replay={other}",
                           "--set", "load.loop=9", "--set", "load.clients=original", SCENARIO],
                          capture_output=True, text=True, timeout=60, check=False)
    assert "Answers\n  debian-steady.pcap.gz (sha256 " in done.stdout, done.stderr
    assert "of 1500 queries of clients.pcap.gz have none, the first is for " in done.stdout


def test_an_anonymized_capture_serves_as_well(tmp_path):
    """Asked and answered by what became of the capture, a run says what it does by the original."""
    original = ek.ROOT / "pcaps" / "lab" / "debian-steady.pcap.gz"
    shared = tmp_path / "shared.pcap"
    subprocess.run([ek.program("evenkeel"), "pcap", "--anonymize", "a key of sixteen and more",
                    "--out", shared, original], check=True, capture_output=True, timeout=60)
    said = []
    for i, path in enumerate((original, shared)):
        run = ek.run(SCENARIO, tmp_path / f"run{i}", "--engine", "virtual", "--set",
                     f"load.replay={path}", "--set", f"lab.recursors.answers={path}")
        assert run.verdict == "PASS", run.reasons()
        answers = run.doc["answers"]
        said.append((run.expectation("answers")["measured"]["answered"] > 2500,
                     answers["captured"] > 2500, answers["made"]))
    assert said[0] == said[1] == (True, True, 0)


@pytest.mark.lab
def test_clients_of_a_lab_get_the_captured_answers(tmp_path):
    text = "".join(line for line in SCENARIO.read_text().splitlines(keepends=True)
                   if not re.match("at |  detect|  lost", line))
    text = text.replace("loop = 7", "loop = 2").replace("../", f"{ek.ROOT}/")
    scenario = tmp_path / "short.lua"
    scenario.write_text(re.sub('"(blog|conf)/', rf'"{ek.SCENARIOS}/\1/', text))
    run = ek.run_valid(scenario, tmp_path / "run", *ek.PATIENT)
    answers = run.expectation("answers")
    assert answers["verdict"] == "PASS", run.reasons()
    assert run.doc["answers"]["captured"] > 500 and run.doc["answers"]["made"] == 0
    # The same packets, held against what a recursor makes by itself, are wrong.
    plan = json.loads((run.dir / "plan.json").read_text())
    del plan["answers"]
    (run.dir / "plan.json").write_text(json.dumps(plan))
    assert ek.judge(run.dir).expectation("answers")["measured"]["wrong"] > 100
