# SPDX-License-Identifier: BSD-3-Clause
"""evenkeel seeds from the command line: the same bytes from any number of workers and shards, what
it refuses, and that nothing is left when it is stopped or its workers die."""
import json
import os
import pathlib
import shlex
import shutil
import signal
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
load { rate = 100, to = "7s", names = zipf(50), timeout = "1s", tries = 1 }
at "1s" { kill  = "DNS1" }
at "4s" { start = "DNS1" }
expect {
  detect  { "DNS1", within = "model" },
  back    { "DNS1", within = "1500ms" },
  lost    { at_most = "model" },
  answers { wrong = 0, duplicate = 0 },
}
"""
SHARD_VARIABLES = ("EVENKEEL_SHARD", "SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX",
                   "CI_NODE_INDEX")
FILES = ("seeds.json", "seeds.jsonl", "seeds.txt")


@pytest.fixture(autouse=True)
def room(tmp_path, monkeypatch):
    """A folder with the scenario, where the tests are; no scheduler runs them."""
    shutil.copytree(ek.SCENARIOS / "blog", tmp_path / "blog")
    (tmp_path / "s.lua").write_text(SCENARIO)
    monkeypatch.chdir(tmp_path)
    for name in SHARD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def argv(*args):
    return [ek.program("evenkeel"), "seeds", *map(str, args)]


def seeds(*args, status=ek.PASS, **env):
    done = subprocess.run(argv(*args), capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, env={**os.environ, **env})
    assert done.returncode == status, done.stdout + done.stderr
    return done


def refused(*args, **env):
    """What is said, in one line, to a command that is a mistake."""
    done = seeds(*args, status=ek.USAGE, **env)
    assert done.stdout == "" and done.stderr.startswith("evenkeel"), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def contents(folder):
    return {f.name: f.read_bytes() for f in pathlib.Path(folder).iterdir()}


def children(pid):
    """Processes that pid has started and that are still there."""
    found = []
    for task in ek.tasks(pid):
        try:
            found += [int(c) for c in (task / "children").read_text().split()]
        except OSError:
            pass
    return found


def alive(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_a_sweep_is_the_same_whoever_makes_it():
    one = seeds("--seeds", "1..12", "--jobs", 1, "--out", "one", "s.lua")
    three = seeds("--seeds", "1..12", "--jobs", 3, "--out", "three", "s.lua")
    assert sorted(contents("one")) == list(FILES)
    assert contents("one") == contents("three")
    assert one.stdout == three.stdout == pathlib.Path("one/seeds.txt").read_text()
    assert "12 runs in " in one.stderr and "\r" not in one.stderr, "no bar on a pipe"


def test_a_row_has_what_its_run_measured():
    seeds("--seeds", "5..9", "--out", "x", "s.lua")
    head, *rows = [json.loads(t) for t in pathlib.Path("x/seeds.jsonl").read_text().splitlines()]
    assert (head["scenario"], head["path"], head["shard"]) == ("s", "s.lua", "1/1")
    assert [r["seed"] for r in rows] == [5, 6, 7, 8, 9]
    detect = [r["expectations"][0]["measured"] for r in rows]
    assert all({"LB1.last_query_ns", "LB2.last_query_ns"} <= set(m) for m in detect)
    assert len({m["LB1.last_query_ns"] for m in detect}) > 1, "the seed matters"
    for line in pathlib.Path("x/seeds.jsonl").read_text().splitlines():
        assert line == json.dumps(json.loads(line), sort_keys=True, separators=(",", ":"),
                                  ensure_ascii=False)


def test_the_default_directories_hold_range_and_shard():
    seeds("--seeds", "1..4", "s.lua")
    seeds("--seeds", "1..4", "--shard", "2/2", "s.lua")
    assert sorted(os.listdir("runs")) == ["s-seeds-1..4", "s-seeds-1..4.2-of-2"]


def test_shards_merge_to_the_bytes_of_a_whole():
    seeds("--seeds", "1..11", "--out", "whole", "s.lua")
    for i in range(1, 4):
        done = seeds("--seeds", "1..11", "--out", f"part{i}", "s.lua", EVENKEEL_SHARD=f"{i}/3")
        assert f"evenkeel: shard {i}/3, by EVENKEEL_SHARD\n" in done.stderr
    merged = seeds("--merge", "part2", "part3", "part1", "--out", "merged")
    assert contents("merged") == contents("whole")
    assert merged.stdout == pathlib.Path("whole/seeds.txt").read_text()
    assert "part2" in refused("--merge", "part2", "part1", "--out", "m2")
    assert "shard 1/3 again" in refused("--merge", "part1", "part2", "part1", "--out", "m2")
    assert "part1/seeds.jsonl: has shard 1/3" in refused("--merge", "part2", "part3", "part1",
                                                         "--out", "part1")
    assert not pathlib.Path("m2").exists()


def test_an_option_beats_the_scheduler():
    env = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "4",
           "SLURM_ARRAY_TASK_STEP": "1", "SLURM_ARRAY_TASK_COUNT": "4"}
    done = seeds("--seeds", "1..4", "--json", "s.lua", **env)
    assert "evenkeel: shard 3/4, by SLURM_ARRAY_TASK_ID\n" in done.stderr
    assert json.loads(done.stdout)["runs"] == 1
    done = seeds("--seeds", "1..4", "--json", "--shard", "1/1", "s.lua", **env)
    assert json.loads(done.stdout)["runs"] == 4


def test_a_seed_that_fails_is_repeated_by_the_command_that_is_printed():
    bad = ["--set", "expect.lost.at_most=0"]
    done = seeds("--seeds", "1..3", *bad, "s.lua", status=ek.FAIL)
    commands = [t.strip() for t in done.stdout.splitlines() if t.startswith("    evenkeel run")]
    assert len(commands) == 3
    assert commands[2] == "evenkeel run --engine virtual --seed 3 --set " \
        "expect.lost.at_most=0 s.lua"
    again = subprocess.run([ek.program("evenkeel"), *shlex.split(commands[2])[1:]], text=True,
                           capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    assert again.returncode == ek.FAIL, again.stderr
    verdict = json.loads(pathlib.Path("runs/s-3/verdict.json").read_text())
    row = json.loads(pathlib.Path("runs/s-seeds-1..3/seeds.jsonl").read_text().splitlines()[3])
    lost = [e for e in verdict["expectations"] if e["kind"] == "lost"][0]
    assert lost["measured"]["lost"] == row["expectations"][2]["measured"]["lost"]
    assert "None of" not in done.stdout


def test_no_failure_still_says_what_that_is_worth():
    done = seeds("--seeds", "1..20", "s.lua")
    assert "None of 20 runs is FAIL" in done.stdout and "at most 13.91 %" in done.stdout


@pytest.mark.parametrize("args, told", [
    (["s.lua"], "--seeds A..B"), (["--seeds", "3..1", "s.lua"], "--seeds 3..1: expected A..B"),
    (["--seeds", "1..2"], "0 scenarios given"),
    (["--seeds", "1..2", "s.lua", "s.lua"], "2 scenarios given"),
    (["--seeds", "1..2", "--jobs", "0", "s.lua"], "--jobs 0: expected a whole number 1...1024"),
    (["--seeds", "1..2", "--shard", "3/2", "s.lua"], "--shard 3/2: expected I/N"),
    (["--seeds", "1..2", "--shard", "3/3", "s.lua"], "shard 3/3 of seeds 1..2 is empty"),
    (["--seeds", "1..2", "none.lua"], "none.lua"),
    (["--seeds", "1..2", "--set", "load.rat=1", "s.lua"], "did you mean 'rate'?"),
    (["--seeds", "1..2", "--set", "engines={ 'netns' }", "s.lua"],
     "s.lua: isn't for the virtual engine"),
    (["--merge"], "no directory given"), (["--merge", "--jobs", "2", "a"], "--merge: expected"),
    (["--merge", "blog"], "blog/seeds.jsonl: No such file"),
])
def test_a_mistake_is_one_line_and_status_2(args, told):
    assert told in refused(*args)
    assert not pathlib.Path("runs").exists()


def test_a_count_that_the_scheduler_does_not_tell_is_asked_for():
    told = refused("--seeds", "1..4", "s.lua", JOB_COMPLETION_INDEX="0")
    assert "JOB_COMPLETIONS" in told and "EVENKEEL_SHARDS" in told


def test_a_directory_that_is_not_ours_is_left_alone():
    pathlib.Path("mine").mkdir()
    pathlib.Path("mine/seeds.txt").write_text("mine")
    assert "isn't a directory of evenkeel seeds" in refused("--seeds", "1..2", "--out", "mine",
                                                             "s.lua")
    assert contents("mine") == {"seeds.txt": b"mine"}
    seeds("--seeds", "1..2", "--out", "ours", "s.lua")
    seeds("--seeds", "3..4", "--out", "ours", "s.lua")
    assert b'"seed":4' in contents("ours")["seeds.jsonl"]


def test_a_worker_that_dies_loses_its_run_only(start):
    p = start(*argv("--seeds", "1..400", "--jobs", 2, "--out", "x", "s.lua"))
    victim = ek.wait_until(lambda: children(p.pid), "a worker")[0]
    os.kill(victim, signal.SIGKILL)
    assert p.wait(120) == ek.INVALID
    assert "the run crashed: signal 9" in p.output()
    assert "evenkeel run --engine virtual --seed" in p.output()
    doc = json.loads(pathlib.Path("x/seeds.json").read_text())
    assert (doc["verdicts"]["INVALID"], doc["verdicts"]["PASS"]) == (1, 399)


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_one_that_is_stopped(start, sig):
    p = start(*argv("--seeds", "1..1000000", "--jobs", 2, "--out", "x", "s.lua"))
    workers = ek.wait_until(lambda: len(children(p.pid)) == 2 and children(p.pid), "two workers")
    p.popen.send_signal(sig)
    status = p.wait(10)
    ek.wait_until(lambda: not any(alive(w) for w in workers), "the end of the workers")
    if sig == signal.SIGKILL:
        assert status == -sig and contents("x") == {}
    else:
        assert status == ek.INVALID and not pathlib.Path("x").exists()
        assert f"stopped by signal {int(sig)}: nothing is written" in p.output()


def test_a_plan_has_quantiles_beside_its_bounds():
    def plan(*args):
        return subprocess.run([ek.program("evenkeel"), "plan", *args, "s.lua"], text=True,
                              capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    bare, done = plan(), plan("--virtual", "15")
    assert (done.returncode, done.stderr) == (0, "")
    assert [t for t in bare.stdout.splitlines() if t not in done.stdout.splitlines()] == []
    line = [t for t in done.stdout.splitlines() if t.strip().startswith("LB1 sent to it")]
    assert len(line) == 1 and line[0].split()[-1] == "15"
    line = [t for t in done.stdout.splitlines() if t.strip().startswith("LB1 noticed")]
    assert "nothing is judged by them" in done.stdout
    seeds("--seeds", "1..15", "--out", "x", "s.lua")
    for row in pathlib.Path("x/seeds.txt").read_text().splitlines():
        if row.startswith("  LB1 noticed"):
            assert row.split()[2:] == line[0].split()[2:]
    wrong = plan("--virtual", "15", "--json")
    assert wrong.returncode == ek.USAGE and wrong.stderr.count("\n") == 1
