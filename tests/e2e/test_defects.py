# SPDX-License-Identifier: BSD-3-Clause
"""The test-only build (make MODE=defects): what it does wrong on purpose is found, said in events,
verdict and reports, and repeats; other builds know nothing of it."""
import json
import pathlib
import shlex
import subprocess
import sys

import pytest

import ek
import test_virtual

sys.path.insert(0, str(ek.ROOT / "tests"))
import defects  # noqa: E402  pylint: disable=wrong-import-position

CORE_NAME = b"refused-thrice"  # of a defect that only that build has

SCENARIO = """
lab {{
  balancers = {{ LB1 = {{ "192.160.102.2" }}, LB2 = {{ "192.160.102.3" }},
                config = "dnsdist.conf" }},
  recursors = {{ "DNS1", "DNS3", config = "{blog}/recursor.conf", miss = "5ms" }},
  clients = {{ net = "192.160.102.128/25", count = 20 }},
  links = {{ delay = "50us" }},
}}
load {{ rate = 4000, to = "8s", names = zipf(100), timeout = "300ms", tries = {tries} }}
{faults}
expect {{ {claim} }}
"""
CONF = """setLocal("0.0.0.0:53")
setACL({"192.160.102.0/24"})
newServer{address="192.0.2.3", name="DNS1", maxCheckFailures=9}
newServer{address="192.0.2.4", name="DNS3", maxCheckFailures=9}
setServerPolicy(wrandom)
"""


@pytest.fixture(scope="module")
def defective():
    """The test-only evenkeel, newest first: gcc's or clang's."""
    built = sorted(ek.ROOT.glob("build/defects-*/bin/evenkeel"), key=lambda p: p.stat().st_mtime)
    if not built:
        pytest.skip("no test-only build: make MODE=defects all")
    return built[-1]


def scenario(folder, faults, tries, claim):
    (folder / "dnsdist.conf").write_text(CONF)
    path = folder / "s.lua"
    path.write_text(SCENARIO.format(blog=ek.SCENARIOS / "blog", faults=faults, claim=claim,
                                    tries=tries))
    return path


def run(program, path, out, *args):
    return test_virtual.run(path, out, *args, program=program)


def test_other_builds_know_no_defects(tmp_path):
    for command in ("run", "seeds", "plan"):
        done = subprocess.run([ek.program("evenkeel"), command, "--defect", "list"], text=True,
                              capture_output=True, timeout=60)
        assert done.returncode == ek.USAGE
        assert "unrecognized option '--defect'" in done.stderr
    for name in ("evenkeel", "balancer", "recursor-stub"):
        assert CORE_NAME not in pathlib.Path(ek.program(name)).read_bytes()


def test_list_prints_each_with_its_prose(defective):
    assert CORE_NAME in defective.read_bytes()
    done = subprocess.run([defective, "run", "--defect", "list"], text=True, capture_output=True,
                          timeout=60)
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) % 2 == 0 and "weights=55 (1...99)" in lines
    assert all(line.startswith("    ") for line in lines[1::2])
    assert "policy-before-cache" in lines


@pytest.mark.parametrize("args, message", [
    (("--engine", "virtual", "--defect", "nosuch"), "--defect nosuch: no such defect: expected one "
     "of --defect list"),
    (("--engine", "virtual", "--defect", "weights=0"), "--defect weights=0: expected a whole "
     "number from 1 to 99"),
    (("--defect", "weights"), "--defect: expected --engine virtual with it"),
])
def test_what_cant_be_is_one_line(defective, tmp_path, args, message):
    done = subprocess.run([defective, "run", *args, ek.SCENARIOS / "blog.lua"], text=True,
                          capture_output=True, timeout=60, cwd=tmp_path)
    assert done.returncode == ek.USAGE
    assert done.stderr.endswith(message + "\n") and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_run_says_what_was_wrong_and_repeats(defective, tmp_path):
    out = tmp_path / "out"
    path = ek.SCENARIOS / "blog.lua"
    done = run(defective, path, out, "--defect", "never-back", "--defect", "wrong-data=500",
               "--check-determinism")
    assert done.returncode == ek.FAIL, done.stdout + done.stderr
    said = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    assert [(e["name"], e.get("value")) for e in said if e["event"] == "defect"] == [
        ("never-back", None), ("wrong-data", 500)]
    doc = json.loads((out / "verdict.json").read_text())
    assert [d.split(":")[0] for d in doc["defects"]] == ["never-back", "wrong-data=500"]
    failed = {e["kind"] for e in doc["expectations"] if e["verdict"] == "FAIL"}
    assert failed == {"back", "answers"}
    for report in ("report.txt", "report.html"):
        assert (out / report).read_text().count("wrong on purpose") == 2
    stream = (out / "verdict.json").read_bytes()
    ek.judge(out)
    assert (out / "verdict.json").read_bytes() == stream


def test_without_a_defect_it_does_what_every_build_does(defective, tmp_path):
    path = test_virtual.scenario(tmp_path, test_virtual.FAULTS, to="10s")
    a, b = tmp_path / "a", tmp_path / "b"
    assert run(defective, path, a).returncode == run(ek.program("evenkeel"), path, b).returncode
    assert test_virtual.digests(a) == test_virtual.digests(b)
    assert "wrong on purpose" not in (a / "report.txt").read_text()


def test_a_sweep_tells_its_defect(defective, tmp_path):
    done = subprocess.run([defective, "seeds", "--seeds", "1..3", "--defect", "answer-twice",
                           "--out", tmp_path / "out", ek.SCENARIOS / "blog.lua"], text=True,
                          capture_output=True, timeout=120)
    assert done.returncode == ek.FAIL, done.stderr
    head = json.loads((tmp_path / "out" / "seeds.json").read_text())
    assert "--defect answer-twice=1000" in json.dumps(head)


def test_the_command_that_a_sweep_prints_repeats_its_run(defective, tmp_path):
    out, again = tmp_path / "out", tmp_path / "again"
    subprocess.run([defective, "seeds", "--seeds", "2..2", "--defect", "never-back",
                    "--set", "load.rate=900", "--defect", "answer-twice=500",
                    "--out", out, ek.SCENARIOS / "blog.lua"], check=False, timeout=120)
    sweep = json.loads((out / "seeds.json").read_text())
    assert sweep["verdicts"]["FAIL"] == 1
    words = shlex.split(sweep["not_pass"][0]["repeat"])
    assert words[words.index("--defect"):-1] == ["--defect", "never-back",
                                                 "--defect", "answer-twice=500"]
    done = subprocess.run([defective, *words[1:], "--out", again], text=True, capture_output=True,
                          timeout=120)
    assert done.returncode == ek.FAIL, done.stderr
    doc = json.loads((again / "verdict.json").read_text())
    assert {e["kind"] for e in doc["expectations"] if e["verdict"] == "FAIL"} == {"back", "answers"}
    assert doc["seed"] == 2


def test_what_dnsdist_did_wrong_is_found_by_scenarios(defective, tmp_path):
    done = subprocess.run([sys.executable, ek.ROOT / "tests" / "defects.py", "--seeds", "4",
                           "--no-search", "--jobs", "1", "--out", tmp_path], text=True,
                          capture_output=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "defects.json").read_text())
    assert found["missing"] == []
    assert {row["defect"] for row in found["defects"]} == set(defects.historical())
    assert all(row["found"] > 0 and row["right"]["PASS"] == 4 for row in found["defects"])


def test_one_of_them_is_found_by_search_and_made_small(defective, tmp_path):
    done = subprocess.run([sys.executable, ek.ROOT / "tests" / "defects.py", "--seeds", "1",
                           "--only", "expiry-ticks", "--runs", "10", "--jobs", "1", "--out",
                           tmp_path], text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    search = json.loads((tmp_path / "defects.json").read_text())["defects"][0]["search"]
    assert search["events"] > search["shrunk"] == 1
    assert (search["again"], search["right_again"]) == ("FAIL", "PASS")
    assert "slow" in (ek.ROOT / search["file"]).read_text()


@pytest.mark.parametrize("change, holds", [
    ({}, True), ({"found": 0}, False), ({"right_fails": 1}, False),
    ({"search": {"found": 0, "right_fails": 0}}, False),
    ({"search": {"found": 1, "right_fails": 1, "again": "FAIL", "right_again": "PASS"}}, False),
    ({"search": {"found": 1, "right_fails": 0, "again": "PASS", "right_again": "PASS"}}, False),
    ({"search": {"found": 1, "right_fails": 0, "again": "FAIL", "right_again": "FAIL"}}, False),
    ({"search": {"found": 1, "right_fails": 0, "again": "FAIL", "right_again": "PASS"}}, True),
])
def test_a_defect_that_nothing_finds_or_a_right_run_that_fails_doesnt_hold(change, holds):
    assert defects.holds({"found": 3, "right_fails": 0, **change}) is holds


@pytest.mark.parametrize("defect, faults, tries, claim, kind", [
    ("servfail-lost", 'at "1s" { servfail = "DNS1", ratio = 0.2 }', 1, "lost { at_most = 0 }",
     "lost"),
    ("answer-late=250", "", 1, 'latency { quantile = 0.995, within = "50ms" }', "latency"),
    ("client-never-retries", 'at "2s" { kill = "LB1" }', 2, "lost { at_most = 0 }", "lost"),
])
def test_the_right_system_passes_and_the_defective_fails(defective, tmp_path, defect, faults,
                                                         tries, claim, kind):
    path = scenario(tmp_path, faults, tries, claim)
    right = run(defective, path, tmp_path / "right")
    assert right.returncode == ek.PASS, right.stdout + right.stderr
    wrong = run(defective, path, tmp_path / "wrong", "--defect", defect)
    assert wrong.returncode == ek.FAIL, wrong.stdout + wrong.stderr
    doc = json.loads((tmp_path / "wrong" / "verdict.json").read_text())
    assert {e["kind"] for e in doc["expectations"] if e["verdict"] == "FAIL"} == {kind}
