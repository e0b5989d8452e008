# SPDX-License-Identifier: BSD-3-Clause
"""Faults that wait until every balancer has marked a recursor down or up: in virtual time, where
the instant repeats, and in namespaces, where it is read from the balancers' own logs."""
import json
import re
import subprocess

import pytest

import ek
import test_lab as lab
import test_virtual as virtual

room = lab.room  # the fixture

CLAIMS = 'expect { detect { "DNS1" }, back { "DNS1", within = "4s" } }'
AFTER_DOWN = 'at "1s" { kill = "DNS1" }\nat { when = down "DNS1", plus = "2s" } ' \
             '{ start = "DNS1" }\n'
# LB1 hangs, so it never marks anything; the second kill finds nothing to kill.
NEVER = 'at "1s" { hang = "LB1" }\n' + AFTER_DOWN + 'at "7s" { kill = "DNS1" }\n'


def marked(out, state):
    """When each balancer's line came, by its log; the logs have no times, so only whether."""
    return [n for n in ("LB1", "LB2") if f"Marking downstream DNS1 (192.0.2.3:53) as '{state}'"
            in (out / f"{n}.log").read_text()]


def run(tmp_path, faults, name="when", to="9s"):
    path = virtual.scenario(tmp_path, faults, to=to, name=name)
    out = virtual.run_well(path, tmp_path / name)
    virtual.assert_conserved(out)
    return out, json.loads((out / "verdict.json").read_text()), virtual.events(out, "fault")


def test_a_start_follows_the_marks(tmp_path):
    out, doc, told = run(tmp_path, AFTER_DOWN + CLAIMS)
    assert [e["kind"] for e in told] == ["kill", "start"]
    assert all(e["verified"] and "triggered" not in e for e in told), told
    start = told[1]
    assert start["at_ns"] == 5_020_000_000  # the bound of the model, 2 s, and slack
    assert 3_500_000_000 < start["from_ns"] < start["at_ns"]
    assert [e["verdict"] for e in doc["expectations"]] == ["PASS"] * 3, doc["expectations"]
    virtual.assert_judged_again(out)


def test_the_instant_depends_on_the_seed_alone(tmp_path):
    path = virtual.scenario(tmp_path, AFTER_DOWN, to="9s")
    starts = []
    for name, seed in (("one", "1"), ("again", "1"), ("two", "2")):
        out = virtual.run_well(path, tmp_path / name, "--seed", seed)
        starts.append(virtual.events(out, "fault")[1]["from_ns"])
    assert starts[0] == starts[1] != starts[2]
    assert virtual.digests(tmp_path / "one") == virtual.digests(tmp_path / "again")


def test_triggers_follow_one_another(tmp_path):
    faults = ('at "1s" { hang = "DNS1" }\n'
              'at { when = down "DNS1", plus = "500ms" } { resume = "DNS1" }\n'
              'at { when = up "DNS1" } { servfail = "DNS3", ratio = 0.5 }\n')
    _, doc, told = run(tmp_path, faults)
    at = {e["kind"]: e for e in told}
    assert all(e["verified"] for e in told), told
    assert at["hang"]["from_ns"] < at["resume"]["from_ns"] < at["servfail"]["from_ns"]
    assert all(at[k]["from_ns"] < at[k]["at_ns"] for k in ("resume", "servfail"))
    assert doc["expectations"][0]["measured"]["error"] > 50


FLAPS = """
at "1s" { kill = "DNS1" }
at { when = down "DNS1", plus = "2s" } { start = "DNS1" }
at { when = up "DNS1", plus = "2s" } { hang = "DNS1" }
at { when = down "DNS1", plus = "2s" } { resume = "DNS1" }
at { when = up "DNS1", plus = "1s" } { cut = "DNS1", way = "in" }
at { when = down "DNS1", plus = "2s" } { heal = "DNS1" }
"""


def test_each_silence_is_judged_from_its_actual_instant(tmp_path):
    """Those of the plan are up to 1.6 s later here, when what is claimed is long over."""
    out, doc, told = run(tmp_path, FLAPS + CLAIMS, to="26s")
    assert len(told) == 6 and all(e["verified"] for e in told), told
    verdicts = [e["verdict"] for e in doc["expectations"]]
    assert verdicts == ["PASS"] * 3, doc["expectations"]
    assert max(e["at_ns"] - e["from_ns"] for e in told) > 10**9
    virtual.assert_judged_again(out)


OTHERS = """
at "1s" { kill = "DNS1" }
at { when = down "DNS1", plus = "500ms" } { hang = "DNS3" }
at { when = down "DNS3", plus = "1s" } { start = "DNS1" }
at { when = up "DNS1", plus = "3s" } { resume = "DNS3" }
at { when = up "DNS3", plus = "1s" } { kill = "LB1" }
at { when = up "DNS3", plus = "4s" } { start = "LB1" }
"""


def test_silences_that_overlap_are_judged_alike_from_captures(tmp_path):
    """The others' state, and the balancers' own, depend on triggers, too."""
    claims = ('expect { detect { "DNS3" }, back { "DNS1", within = "4s" }, back { "DNS3", '
              'within = "4s" }, lost { at_most = "model" }, outage { within = "model" }, '
              'flaps { "DNS1", "DNS3" } }')
    out, doc, told = run(tmp_path, OTHERS + claims, to="26s")
    assert len(told) == 6 and all(e["verified"] for e in told), told
    assert {e["verdict"] for e in doc["expectations"]} == {"PASS"}, doc["expectations"]
    virtual.assert_judged_again(out)


def test_a_trigger_that_never_comes_isnt_the_harness_s_fault(tmp_path):
    out, doc, told = run(tmp_path, NEVER + CLAIMS, to="12s")
    assert doc["verdict"] != "INVALID" and doc["invalid"] == []
    assert [(e["kind"], e.get("triggered", True)) for e in told] == [
        ("hang", True), ("kill", True), ("start", False), ("kill", False)]
    assert told[2]["evidence"] == "not triggered: LB1 hasn't marked DNS1 down by 3.02 s"
    assert told[2]["from_ns"] == told[2]["at_ns"]
    virtual.assert_judged_again(out)


def test_a_plan_without_triggers_cant_leave_a_fault_out(tmp_path):
    """Else a broken engine could pass over what was planned."""
    out, _, _ = run(tmp_path, 'at "1s" { kill = "DNS3" }\n', to="2s")
    path = out / "events.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for e in lines:
        if e["event"] == "fault":
            e.update(verified=False, triggered=False)
    path.write_text("".join(json.dumps(e) + "\n" for e in lines))
    assert ek.judge(out).status == ek.INVALID


def test_the_plan_says_when_at_the_latest(tmp_path):
    done = subprocess.run([ek.program("evenkeel"), "plan", str(virtual.scenario(
        tmp_path, AFTER_DOWN, to="9s"))], capture_output=True, text=True, timeout=20, check=True)
    assert ("5.02 s   start DNS1, at the latest: 2 s after every balancer has marked DNS1 down"
            in done.stdout)


# ---- in namespaces ----

@pytest.mark.lab
def test_a_lab_reads_the_marks_from_the_logs(room):
    out = room / "out"
    faults = AFTER_DOWN.replace("2s", "300ms") + 'at { when = up "DNS1" } { delay = "DNS1", ' \
        'by = "1ms" }\n'
    lab.finish(lab.begin(out, lab.scenario(room, faults, to="6s")))
    told = {e["kind"]: e for e in lab.events(out, "fault")}
    assert all(e["verified"] for e in told.values()), told
    assert set(told) == {"kill", "start", "delay"}
    assert marked(out, "down") == marked(out, "up") == ["LB1", "LB2"]
    assert told["kill"]["to_ns"] + 300_000_000 < told["start"]["from_ns"] < told["start"]["at_ns"]
    assert told["start"]["to_ns"] < told["delay"]["from_ns"] < told["delay"]["at_ns"]
    assert lab.events(out, "trouble") == []


@pytest.mark.lab
def test_a_lab_goes_on_without_what_isnt_triggered(room):
    out = room / "out"
    faults = NEVER.replace("2s", "100ms").replace("7s", "4s")
    lab.finish(lab.begin(out, lab.scenario(room, faults, to="5s")))
    told = [(e["kind"], e["verified"], e.get("triggered", True)) for e in lab.events(out, "fault")]
    assert told == [("hang", True, True), ("kill", True, True), ("start", False, False),
                    ("kill", False, False)]
    assert "LB1" not in marked(out, "down")
    assert lab.events(out, "trouble") == []
