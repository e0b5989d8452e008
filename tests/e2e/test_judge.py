# SPDX-License-Identifier: BSD-3-Clause
"""The judge on labs whose balancers have another policy than the reference one, and on clients that
go on over TCP. Nothing here is about timing, so the runs are patient with a busy machine."""
import json

import pytest

import ek

pytestmark = pytest.mark.lab

LAB = """
lab {{
  balancers = {{ LB1 = {{ "192.160.102.2" }}, LB2 = {{ "192.160.102.3" }},
                config = "{scenarios}/blog/dnsdist.conf" }},
  recursors = {{ "DNS1", "DNS3", config = "{scenarios}/blog/recursor.conf", miss = "20ms" }},
  clients = {{ net = "192.160.102.128/25", count = 50, choose = "per_query" }},
  links = {{ delay = "50us" }},
}}
load {{ rate = 1000, arrivals = "poisson", to = "3s", names = zipf(200), timeout = "500ms" }}
{rest}
"""
EVEN = 'expect { even { "DNS1", "DNS3" }, answers { wrong = 0, duplicate = 0 } }'
TRUNCATE = '''at "1s" { truncate = "DNS1", ratio = 0.1 }
expect { answers { wrong = 0, duplicate = 0 }, lost { at_most = 0 } }'''


def scenario(tmp_path, rest):
    path = tmp_path / "judge.lua"
    path.write_text(LAB.format(scenarios=ek.SCENARIOS, rest=rest))
    return path


def with_config(name):
    return ("--set", f"lab.balancers.config={ek.DATA / name}")


def test_turns_are_exact(tmp_path):
    done = ek.run_valid(scenario(tmp_path, EVEN), tmp_path / "run", *ek.PATIENT,
                        *with_config("roundrobin.conf"))
    assert (done.status, done.verdict) == (ek.PASS, "PASS"), done.text
    assert done.expectation("even")["measured"]["spread"] <= 1


def test_a_policy_without_shares_is_refused_with_its_file(tmp_path):
    done = ek.run(scenario(tmp_path, EVEN), tmp_path / "run", *with_config("leastOutstanding.conf"))
    assert done.status == ek.USAGE, done.text
    assert "leastOutstanding doesn't share evenly" in done.text
    assert "leastOutstanding.conf" in done.text


def loads(done):
    """What the clients counted."""
    lines = (done.dir / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return [e for e in map(json.loads, lines) if e["event"] == "load"]


def over_tcp(done):
    """How often clients went on over TCP, by their own count."""
    return sum(e["tcp"] for e in loads(done))


@pytest.mark.parametrize("balancer", ["ours", "dnsdist"])
def test_answers_over_tcp_count(tmp_path, balancer):
    other = ("--balancer", ek.tool("dnsdist")) if balancer == "dnsdist" else ()
    done = ek.run_valid(scenario(tmp_path, TRUNCATE), tmp_path / "run", *ek.PATIENT, *other)
    assert (done.status, done.verdict) == (ek.PASS, "PASS"), done.text
    answers = done.expectation("answers")["measured"]
    assert answers["truncated"] == answers["truncated_answered"] == over_tcp(done) > 0


def test_turns_are_exact_over_tcp_too(tmp_path):
    """Half of DNS1's answers are fetched again over TCP, which takes turns of its own."""
    rest = 'at "0s" { truncate = "DNS1", ratio = 0.5 }\n' + EVEN
    done = ek.run_valid(scenario(tmp_path, rest), tmp_path / "run", *ek.PATIENT,
                        *with_config("roundrobin.conf"))
    assert (done.status, done.verdict) == (ek.PASS, "PASS"), done.text
    measured = done.expectation("even")["measured"]
    assert measured["spread"] <= 1
    asked = sum(e["planned"] for e in loads(done))
    assert over_tcp(done) > 300
    assert measured["queries"] + measured["left_out"] > asked + over_tcp(done) - 10


def test_truncated_answers_alone_are_none(tmp_path):
    """A balancer that doesn't listen on TCP: what it can't give is lost."""
    path = scenario(tmp_path, TRUNCATE)
    done = ek.run_valid(path, tmp_path / "run", *ek.PATIENT, *with_config("udp-only.conf"))
    answers, lost = (done.expectation(k)["measured"] for k in ("answers", "lost"))
    assert answers["truncated"] == over_tcp(done) > 0
    assert lost["lost"] == lost["truncated"] == answers["truncated"] - answers["truncated_answered"]
