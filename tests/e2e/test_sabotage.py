# SPDX-License-Identifier: BSD-3-Clause
"""Labs that are wrong on purpose. A check that can't fail is a defect, so each claim that a report
makes is refuted here once, and each promise of the harness broken once: the verdict must be FAIL
where the system is at fault, INVALID where the harness is, and the reason must name the culprit.
Programs are sabotaged by wrappers that the plan knows nothing of. Nothing here is about timing, so
the runs are patient with a machine that runs other tests besides."""
import os
import shutil
import signal
import time

import pytest

import ek

pytestmark = pytest.mark.lab

LAB = """
lab {{
  balancers = {{ LB1 = {{ "192.160.102.2" }}, LB2 = {{ "192.160.102.3" }}, config = "{dnsdist}" }},
  recursors = {{ "DNS1", "DNS3", config = "{recursor}", miss = "20ms" }},
  clients = {{ net = "192.160.102.128/25", count = 50, choose = "per_query" }},
  links = {{ delay = "50us" }},
}}
load {{ rate = {rate}, arrivals = "poisson", to = "{to}", names = zipf(200), timeout = "500ms" }}
{rest}
"""
EVEN = 'expect { even { "DNS1", "DNS3", catch = 0.10 }, answers { wrong = 0, duplicate = 0 } }'
CACHE = 'expect { cache { hits = 0.5, within = "1ms" } }'
ANSWERS = "expect { answers { wrong = 0, duplicate = 0 } }"
DETECT = 'at "1s" { kill = "DNS1" } expect { detect { "DNS1", within = "model" } }'


def scenario(tmp_path, rest, to="3s", dnsdist=None, recursor=None):
    path = tmp_path / "sabotage.lua"
    path.write_text(LAB.format(dnsdist=dnsdist or ek.SCENARIOS / "blog" / "dnsdist.conf",
                               recursor=recursor or ek.SCENARIOS / "blog" / "recursor.conf",
                               rate=1000, to=to, rest=rest))
    return path


def wrapper(tmp_path, name, *body):
    """A shell script that is started in the place of a program."""
    path = tmp_path / name
    path.write_text("\n".join(["#!/bin/sh", *body, ""]))
    path.chmod(0o755)
    return path


def balancer_with(tmp_path, conf):
    """Our balancer, but -C says another file."""
    return wrapper(tmp_path, "balancer",
                   'n=$# last=',
                   'while [ "$n" -gt 0 ]; do',
                   '\ta=$1; shift; n=$((n - 1))',
                   f'\t[ "$last" = -C ] && set -- "$@" "{ek.DATA / conf}" || set -- "$@" "$a"',
                   '\tlast=$a',
                   'done',
                   f'exec "{ek.program("balancer")}" "$@"')


MISS = "--stub-miss=20ms"  # a program in the stub's place isn't told


def recursor_with(tmp_path, *more):
    """Our recursor stub with more arguments."""
    return wrapper(tmp_path, "recursor",
                   f'exec "{ek.program("recursor-stub")}" "$@" {MISS} {" ".join(more)}')


@pytest.mark.parametrize("rest,to", [(EVEN, "3s"), (CACHE, "2s"), (DETECT, "4500ms")])
def test_without_sabotage_the_same_scenario_passes(tmp_path, rest, to):
    done = ek.run_valid(scenario(tmp_path, rest, to=to), tmp_path / "run", *ek.PATIENT)
    assert (done.status, done.verdict) == (ek.PASS, "PASS"), done.text


def test_weights_that_the_scenario_does_not_expect_fail(tmp_path):
    done = ek.run_valid(scenario(tmp_path, EVEN), tmp_path / "run", *ek.PATIENT,
                        "--balancer", balancer_with(tmp_path, "weights.conf"))
    assert done.status == ek.FAIL, done.text
    even = done.expectation("even")
    assert even["verdict"] == "FAIL" and "DNS1" in even["why"]
    assert done.expectation("answers")["verdict"] == "PASS"


def assert_unnoticed(done):
    assert done.status == ek.FAIL, done.text
    detect = done.expectation("detect")
    assert detect["verdict"] == "FAIL" and "DNS1" in detect["why"]
    assert detect["evidence"][0]["pcap"] in ("LB1.pcap", "LB2.pcap"), "the late query is named"


def test_health_checks_switched_off_fail(tmp_path):
    rest = DETECT.replace('"model"', '"2s"')
    path = scenario(tmp_path, rest, to="4500ms", dnsdist=ek.DATA / "unchecked.conf")
    done = ek.run_valid(path, tmp_path / "run", *ek.PATIENT)
    assert_unnoticed(done)
    assert "isn't checked" in done.expectation("detect")["why"]


def test_health_checks_that_come_too_rarely_fail(tmp_path):
    done = ek.run_valid(scenario(tmp_path, DETECT, to="4500ms"), tmp_path / "run",
                        *ek.PATIENT, "--balancer", balancer_with(tmp_path, "rarely.conf"))
    assert_unnoticed(done)


def test_a_cache_switched_off_fails(tmp_path):
    stub = recursor_with(tmp_path, "--disable-packetcache=yes", "--max-cache-entries=1")
    done = ek.run_valid(scenario(tmp_path, CACHE, to="2s"), tmp_path / "run", *ek.PATIENT,
                        "--recursor", stub)
    assert done.status == ek.FAIL, done.text
    assert done.expectation("cache")["verdict"] == "FAIL"


def test_a_stub_that_answers_wrong_fails(tmp_path):
    path = scenario(tmp_path, ANSWERS, to="2s", recursor=ek.DATA / "wrong.conf")
    done = ek.run_valid(path, tmp_path / "run", *ek.PATIENT)
    assert done.status == ek.FAIL, done.text
    answers = done.expectation("answers")
    assert answers["verdict"] == "FAIL" and answers["measured"]["wrong"] > 0
    assert answers["evidence"], "a wrong answer is named by capture and frame"


def test_answers_that_go_wrong_in_mid_run_fail(tmp_path):
    rest = 'at "500ms" { wrong = "DNS3", ratio = 0.1 } ' + ANSWERS
    done = ek.run_valid(scenario(tmp_path, rest, to="2s"), tmp_path / "run", *ek.PATIENT)
    assert done.status == ek.FAIL, done.text
    assert done.expectation("answers")["measured"]["wrong"] > 0


def test_a_fault_that_does_not_happen_is_invalid(tmp_path):
    stub = ek.program("recursor-stub")
    immortal = wrapper(tmp_path, "recursor", f'setsid "{stub}" "$@" {MISS} &', "wait")
    done = ek.run(scenario(tmp_path, DETECT, to="4500ms"), tmp_path / "run",
                  *ek.PATIENT, "--recursor", immortal)
    assert (done.status, done.verdict) == (ek.INVALID, "INVALID"), done.text
    assert "kill" in done.reasons() and "DNS1" in done.reasons()


def family(pid):
    """A process and all that descend from it."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        for task in ek.tasks(one):
            try:
                todo += [int(p) for p in (task / "children").read_text().split()]
            except OSError:
                pass
    return found


def signal_all(pids, sig):
    for pid in pids:
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            pass


def test_a_harness_paused_for_a_second_is_invalid(tmp_path, start):
    out = tmp_path / "run"
    run = start(*ek.run_argv(scenario(tmp_path, EVEN), out, *ek.PATIENT))

    def carries_load():
        return run.popen.poll() is not None or ek.size(out / "LB1.pcap") > 100_000
    ek.wait_until(carries_load, "traffic in LB1.pcap", 20)
    pids = family(run.pid)
    signal_all(pids, signal.SIGSTOP)
    time.sleep(1)  # the sabotage itself
    signal_all(pids, signal.SIGCONT)
    status = run.wait()
    if status == ek.CANT:
        ek.cant_lab(run.output())
    done = ek.Run(status, run.output(), out)
    assert (done.status, done.verdict) == (ek.INVALID, "INVALID"), done.text
    assert "late" in done.reasons() or "loop" in done.reasons()


@pytest.fixture(scope="module")
def sound_run(tmp_path_factory):
    """A run without sabotage, for tests that damage its files."""
    tmp_path = tmp_path_factory.mktemp("sound")
    done = ek.run_valid(scenario(tmp_path, EVEN), tmp_path / "run", *ek.PATIENT)
    assert done.verdict == "PASS", done.text
    return done


@pytest.mark.parametrize("name,cut", [("LB1.pcap", 10), ("DNS3.pcap", 1)])
def test_a_record_cut_off_is_invalid(tmp_path, sound_run, name, cut):
    copy = tmp_path / "run"
    shutil.copytree(sound_run.dir, copy)
    os.truncate(copy / name, ek.size(copy / name) - cut)
    done = ek.judge(copy)
    assert (done.status, done.verdict) == (ek.INVALID, "INVALID"), done.text
    assert name in done.reasons()


def test_a_missing_capture_is_invalid(tmp_path, sound_run):
    copy = tmp_path / "run"
    shutil.copytree(sound_run.dir, copy)
    (copy / "DNS1.pcap").unlink()
    done = ek.judge(copy)
    assert (done.status, done.verdict) == (ek.INVALID, "INVALID"), done.text
    assert "DNS1.pcap" in done.reasons()


def test_a_run_that_stopped_early_is_invalid(tmp_path, sound_run):
    copy = tmp_path / "run"
    shutil.copytree(sound_run.dir, copy)
    lines = (copy / "events.jsonl").read_text().splitlines(keepends=True)
    (copy / "events.jsonl").write_text("".join(line for line in lines if '"end"' not in line))
    assert ek.judge(copy).verdict == "INVALID"


def test_judging_again_gives_the_same_bytes(tmp_path, sound_run):
    copy = tmp_path / "elsewhere"
    shutil.copytree(sound_run.dir, copy)
    names = ["verdict.json", "report.txt", "junit.xml", "report.tap"]
    before = [(copy / n).read_bytes() for n in names]
    for n in names:
        (copy / n).unlink()
    assert ek.judge(copy).status == ek.PASS
    assert [(copy / n).read_bytes() for n in names] == before
