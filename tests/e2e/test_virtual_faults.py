# SPDX-License-Identifier: BSD-3-Clause
"""The virtual engine's faults of links, each with what must be seen of it, and what they come to
together."""
import json
import re

import pytest

from test_virtual import assert_conserved, assert_judged_again, events, run_well, scenario


def told(out, kind, at_s):
    """The evidence of a fault that took effect."""
    [e] = [e for e in events(out, "fault") if (e["kind"], e["at_ns"]) == (kind, at_s * 10**9)]
    assert e["verified"], e
    return e["evidence"]


def answers(out):
    doc = json.loads((out / "verdict.json").read_text())
    [e] = [e for e in doc["expectations"] if e["kind"] == "answers"]
    return e


def number(pattern, evidence):
    return int(re.search(rf"(\d+) {pattern}", evidence)[1])


def test_links_that_jitter_and_reorder_take_effect_and_break_nothing(tmp_path):
    faults = """at "500ms" { jitter = "DNS1", by = "3ms" }
                at "1s" { reorder = "DNS1", ratio = 0.3, by = "2ms" }
                at "1500ms" { jitter = "four", by = "1ms", way = "in" }"""
    out = run_well(scenario(tmp_path, faults), tmp_path / "out")
    assert number("delayed by jitter", told(out, "jitter", 0.5)) > 20
    assert number("held back", told(out, "reorder", 1)) > 20
    assert "inwards" in told(out, "jitter", 1.5)
    assert answers(out)["verdict"] == "PASS"
    assert_judged_again(out)
    assert_conserved(out)


@pytest.mark.parametrize("node,way,times", [("four", "in", 1), ("four", "out", 1),
                                            ("LB1", "in", 1), ("DNS1", "both", 0)])
def test_a_duplicate_on_the_clients_side_is_a_duplicate_answer(tmp_path, node, way, times):
    """Whether the query or the answer comes twice; behind a balancer nobody sees it."""
    fault = f'at "1s" {{ duplicate = "{node}", ratio = 0.5, way = "{way}" }}'
    out = run_well(scenario(tmp_path, fault), tmp_path / "out")
    doubled = number("doubled", told(out, "duplicate", 1))
    assert doubled > 50 and events(out, "wire")[0]["doubled"] == doubled
    got = answers(out)
    assert (got["measured"]["duplicate"] > 20) == bool(times)
    assert got["measured"]["duplicate"] <= doubled and got["measured"]["wrong"] == 0
    assert got["verdict"] == ("FAIL" if times else "PASS")
    assert_judged_again(out)
    assert_conserved(out)


LATENCY = 'expect { latency { quantile = 0.9, within = "20ms" } }'


@pytest.mark.parametrize("bits,status", [("1e9", "PASS"), ("2e5", "FAIL")])
def test_a_rate_that_is_too_low_makes_queries_wait_and_drops_them(tmp_path, bits, status):
    path = scenario(tmp_path, f'at "0s" {{ rate = "four", bits = {bits}, queue = 8000 }}\n' +
                    LATENCY)
    out = run_well(path, tmp_path / "out")
    full = number("dropped by its full queue", told(out, "rate", 0))
    doc = json.loads((out / "verdict.json").read_text())
    [latency] = [e for e in doc["expectations"] if e["kind"] == "latency"]
    assert (latency["verdict"], full > 100) == (status, status == "FAIL")
    assert_judged_again(out)
    assert_conserved(out)


def test_a_cut_one_way_shows_who_still_hears(tmp_path):
    """Cut outwards, the recursor hears the queries and answers in vain; inwards, nothing comes."""
    heard = {}
    for way in ("in", "out"):
        fault = f'at "1s" {{ cut = "DNS1", way = "{way}" }} at "2500ms" {{ heal = "DNS1" }}'
        out = run_well(scenario(tmp_path, fault, to="4s", name=way), tmp_path / f"{way}.run")
        evidence = told(out, "cut", 1)
        assert {"in": "inwards", "out": "outwards"}[way] in evidence
        assert number("frames cut", evidence) > 20 and number("passed", evidence) == 0
        heard[way] = {e["node"]: e["if_received"] for e in events(out, "node")}["DNS1"]
        assert answers(out)["verdict"] == "PASS"
        assert_judged_again(out)
        assert_conserved(out)
    assert heard["out"] > heard["in"] + 20


def test_a_cut_is_detected_as_a_blackhole_is(tmp_path):
    path = scenario(tmp_path, 'at "1s" { cut = "DNS1", way = "out" }\n'
                    'expect { detect { "DNS1", within = "model" } }', to="8s")
    out = run_well(path, tmp_path / "out")
    doc = json.loads((out / "verdict.json").read_text())
    [detect] = [e for e in doc["expectations"] if e["kind"] == "detect"]
    assert detect["verdict"] == "PASS", detect


def test_faults_of_the_stub_compose_and_end_with_their_program(tmp_path):
    faults = """at "500ms" { servfail = "DNS1", ratio = 0.2 }
                at "500ms" { drop = "DNS1", ratio = 0.2 }
                at "500ms" { slow = "DNS1", by = "30ms", ratio = 0.5 }
                at "500ms" { loss = "DNS1", ratio = 0.2 }
                at "1500ms" { kill = "DNS1" } at "2s" { start = "DNS1" }
                at "1500ms" { hang = "LB1" } at "2s" { resume = "LB1" }"""
    out = run_well(scenario(tmp_path, faults), tmp_path / "out")
    e = events(out, "fault")
    assert len(e) == faults.count("at ") and all(f["verified"] for f in e), e
    assert sum("the stub did it to" in f["evidence"] for f in e) == 3
    assert_judged_again(out)
    assert_conserved(out)
