# SPDX-License-Identifier: BSD-3-Clause
"""evenkeel search from the command line: what it finds and makes small, the same bytes from any
number of workers and shards, the command that repeats a failure, and what it refuses."""
import json
import os
import pathlib
import shlex
import shutil
import subprocess

import pytest

import ek

SCENARIO = """
lab {
  balancers = { LB1 = { "192.160.102.2", "2605:e200:d000::2" },
                LB2 = { "192.160.102.3", "2605:e200:d000::3" }, config = "blog/dnsdist.conf" },
  recursors = { "DNS1", "DNS3", config = "blog/recursor.conf", miss = "20ms" },
  clients = { net = "192.160.102.128/25", count = 10, choose = "per_query" },
  links = { delay = "50us" },
}
load { rate = 100, to = "6s", names = zipf(50), timeout = "500ms", tries = 1 }
expect { lost { at_most = 15 }, answers { wrong = 0, duplicate = 0 } }
"""
SHARD_VARIABLES = ("EVENKEEL_SHARD", "SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX",
                   "CI_NODE_INDEX")
KILLS = ("--faults", "kill,blackhole", "--max-faults", "12")


@pytest.fixture(autouse=True)
def room(tmp_path, monkeypatch):
    shutil.copytree(ek.SCENARIOS / "blog", tmp_path / "blog")
    (tmp_path / "s.lua").write_text(SCENARIO)
    monkeypatch.chdir(tmp_path)
    for name in SHARD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(command, *args, status=ek.PASS, **env):
    done = subprocess.run([ek.program("evenkeel"), command, *map(str, args)], capture_output=True,
                          text=True, timeout=120, stdin=subprocess.DEVNULL,
                          env={**os.environ, **env})
    assert done.returncode == status, done.stdout + done.stderr
    return done


def search(*args, **more):
    return run("search", *args, **more)


def refused(*args, **env):
    done = search(*args, status=ek.USAGE, **env)
    assert done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def contents(path):
    return {p.name: p.read_bytes() for p in pathlib.Path(path).iterdir()}


def test_a_right_system_has_no_failure():
    done = search(*KILLS, "--runs", 20, "s.lua")
    assert "20 runs: PASS" in done.stdout and "Failures" not in done.stdout
    assert sorted(os.listdir("search/s-1")) == ["seeds.json", "seeds.jsonl", "seeds.txt"]
    assert done.stdout == pathlib.Path("search/s-1/seeds.txt").read_text()
    doc = json.loads(pathlib.Path("search/s-1/seeds.json").read_text())
    assert doc["verdicts"]["PASS"] == 20 and doc["claims"]["answers"]["PASS"] == 20


def test_what_the_scenario_claims_is_refuted_by_a_small_timeline():
    done = search(*KILLS, "--runs", 10, "--keep", "lost", "--out", "x", "s.lua", status=ek.FAIL)
    doc = json.loads(pathlib.Path("x/seeds.json").read_text())
    [failure] = doc["failures"]
    assert failure["signature"] == "claim: lost" and failure["n"] == doc["verdicts"]["FAIL"]
    assert failure["events_shrunk"] <= 3 and failure["file"] == "failure-1.lua"
    text = pathlib.Path("x/failure-1.lua").read_text()
    assert text.count("\nat ") == failure["events_shrunk"]
    assert failure["again"] in text and failure["again"] in done.stdout
    again = shlex.split(failure["again"])[2:-1]
    found = run("run", *again, "--out", "y", "x/failure-1.lua", status=ek.FAIL)
    assert "FAIL  no more queries are lost" in found.stdout
    # the same kind of failure from the seed alone
    repeat = shlex.split(failure["repeat"])[2:]
    search(*repeat, "--out", "z", status=ek.FAIL)
    assert json.loads(pathlib.Path("z/seeds.json").read_text())["verdicts"]["FAIL"] == 1


def test_workers_do_not_show_in_the_files():
    args = (*KILLS, "--runs", 9, "--keep", "lost", "s.lua")
    search(*args, "--jobs", 1, "--out", "one", status=ek.FAIL)
    search(*args, "--jobs", 3, "--out", "three", status=ek.FAIL)
    assert contents("one") == contents("three")


def test_shards_put_together_are_the_whole():
    args = (*KILLS, "--runs", 9, "--seed", 5, "--keep", "lost", "s.lua")
    search(*args, "--out", "whole", status=ek.FAIL)
    for i in (1, 2, 3):
        search(*args, "--shard", f"{i}/3", "--out", f"part{i}", status=ek.FAIL)
    done = search("--merge", "part2", "part3", "part1", "--out", "merged", status=ek.FAIL)
    assert contents("merged") == contents("whole")
    assert done.stdout == pathlib.Path("whole/seeds.txt").read_text()
    assert "2/3" in refused("--merge", "part1", "part3", "--out", "m")
    assert "2/3" in refused("--merge", "part1", "part3", "--out", "m")
    assert "is of evenkeel search" in run("seeds", "--merge", "part1", "part2", "part3",
                                          status=ek.USAGE).stderr
    pathlib.Path("s.lua").write_text(SCENARIO.replace("rate = 100", "rate = 200"))
    assert "has changed since the search" in refused("--merge", "part1", "part2", "part3")


def test_an_older_search_s_scenarios_go():
    search(*KILLS, "--runs", 5, "--keep", "lost", "--out", "x", "s.lua", status=ek.FAIL)
    assert "failure-1.lua" in contents("x")
    search(*KILLS, "--runs", 2, "--out", "x", "s.lua")
    assert "failure-1.lua" not in contents("x")


@pytest.mark.parametrize("args, told", [
    (["--runs", "1", "s.lua"], "no --faults given"),
    (["--faults", "kill", "s.lua"], "no --runs given"),
    (["--faults", "kill", "--runs", "1"], "0 scenarios given"),
    (["--faults", "kil", "--runs", "1", "s.lua"], "--faults: 'kil': expected some of kill, hang"),
    (["--faults", "kill", "--runs", "0", "s.lua"], "--runs 0: expected a whole number 1..."),
    (["--faults", "kill", "--runs", "1", "--max-faults", "0", "s.lua"], "--max-faults 0"),
    (["--faults", "kill", "--runs", "1", "--nodes", "DNS2", "s.lua"], "--nodes: 'DNS2'"),
    (["--faults", "slow", "--runs", "1", "--nodes", "LB1", "s.lua"], "can happen to it"),
    (["--faults", "kill", "--runs", "1", "--keep", "lst", "s.lua"], "--keep: 'lst'"),
    (["--faults", "kill", "--runs", "2", "--shard", "3/3", "s.lua"], "shard 3/3 of 2 runs"),
    (["--faults", "kill", "--runs", "1", "none.lua"], "none.lua"),
    (["--faults", "kill", "--runs", "1", "--set", "engines={ 'netns' }", "s.lua"],
     "isn't for the virtual engine"),
    (["--merge"], "no directory given"), (["--merge", "--runs", "1", "x"], "--merge: expected"),
    (["--merge", "blog"], "blog/seeds.jsonl: No such file"),
])
def test_what_is_refused(args, told):
    assert told in refused(*args)


def test_invariants_are_for_virtual_time():
    assert "--invariants: expected --engine virtual" in run("run", "--invariants", "s.lua",
                                                            status=ek.USAGE).stderr
