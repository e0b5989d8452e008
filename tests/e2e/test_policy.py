# SPDX-License-Identifier: BSD-3-Clause
"""policy {}: each policy of our balancer in virtual time is followed, with failures of recursors
and of a balancer; the same packets judged as another policy's are not. test_policy_lab.py does the
same in namespaces."""
import json

import pytest

import ek

LAB = """
lab {{
  balancers = {{ LB1 = {{ "192.160.102.2" }}, LB2 = {{ "192.160.102.3" }}, config = "lb.conf" }},
  recursors = {{ "DNS1", "DNS2", "DNS3", config = "{scenarios}/blog/recursor.conf",
                miss = exponential("8ms") }},
  clients = {{ net = "192.160.102.128/25", count = 50, choose = "per_query" }},
  links = {{ delay = "50us" }},
}}
load {{ rate = 900, arrivals = "poisson", to = "9s", names = zipf(1000), timeout = "500ms" }}
{faults}
expect {{ policy {{}}, answers {{ wrong = 0, duplicate = 0 }} }}
"""
FAULTS = """at "1s" { kill = "LB1" }
at "1500ms" { start = "LB1" }
at "3500ms" { hang = "DNS1" }
at "6s" { resume = "DNS1" }
"""
SERVERS = """setLocal("0.0.0.0:53")
setACL({{"192.160.102.0/24"}})
newServer{{address="192.0.2.3", name="DNS1", order=1, weight=100{one}}}
newServer{{address="192.0.2.4", name="DNS2", order={two}, weight=100}}
newServer{{address="192.0.2.5", name="DNS3", order={two}, weight=100}}
{more}setServerPolicy({policy})
"""
PERTURBED = "setWHashedPertubation(7)\n"
POLICIES = {
    "leastOutstanding": {}, "firstAvailable": {"one": ", qps=100", "two": 2}, "wrandom": {},
    "roundrobin": {}, "whashed": {"more": PERTURBED}, "chashed": {},
    "orderedWrandUntag": {"two": 2},
}
# What each policy's packets are not, when they are judged as another's.
NOT = {
    "leastOutstanding": "roundrobin", "firstAvailable": "leastOutstanding",
    "wrandom": "leastOutstanding", "roundrobin": "wrandom", "whashed": "leastOutstanding",
    "chashed": "roundrobin", "orderedWrandUntag": "firstAvailable",
}


def scenario(folder, policy, faults=FAULTS):
    """A folder with the policy's configuration and the scenario that claims it."""
    how = {"one": "", "two": 1, "more": ""} | POLICIES[policy]
    (folder / "lb.conf").write_text(SERVERS.format(policy=policy, **how))
    path = folder / "policy.lua"
    path.write_text(LAB.format(scenarios=ek.SCENARIOS, faults=faults))
    return path


def judged_as(done, policy):
    """The claim's verdict when the plan says that another policy was configured."""
    plan = done.dir / "plan.json"
    doc = json.loads(plan.read_text(encoding="utf-8"))
    for conf in doc["conf"]:
        conf["policy"] = policy
    plan.write_text(json.dumps(doc), encoding="utf-8")
    again = ek.judge(done.dir)
    assert again.verdict == "INVALID", "another plan's run"
    return again.expectation("policy")


@pytest.mark.parametrize("policy", POLICIES)
def test_each_policy_is_followed_and_is_no_other(tmp_path, policy):
    done = ek.run(scenario(tmp_path, policy), tmp_path / "run", "--engine", "virtual")
    assert (done.status, done.verdict) == (ek.PASS, "PASS"), done.text
    mine = done.expectation("policy")
    assert policy in mine["title"]
    assert [b["name"] for b in mine["measured"]["balancers"]] == ["LB1", "LB2"]
    assert judged_as(done, NOT[policy])["verdict"] == "FAIL"


def test_what_moves_on_a_ring_is_seen(tmp_path):
    done = ek.run(scenario(tmp_path, "chashed"), tmp_path / "run", "--engine", "virtual")
    assert done.expectation("policy")["measured"]["stayed"] > 30
    whashed = tmp_path / "whashed"
    whashed.mkdir()
    other = ek.run(scenario(whashed, "whashed"), whashed / "run", "--engine", "virtual")
    assert other.verdict == "PASS", other.text
    why = judged_as(other, "chashed")
    assert why["verdict"] == "FAIL" and "which is still up" in why["why"], why


TRUNCATE = 'at "0s" { truncate = "DNS2", ratio = 0.3 }\n'


@pytest.mark.parametrize("policy", sorted(POLICIES.keys() - {"orderedWrandUntag"}))
def test_queries_over_tcp_are_choices_too(tmp_path, policy):
    done = ek.run(scenario(tmp_path, policy, TRUNCATE), tmp_path / "run", "--engine", "virtual")
    assert (done.status, done.verdict) == (ek.PASS, "PASS"), done.text
    lines = (done.dir / "events.jsonl").read_text(encoding="utf-8").splitlines()
    [load] = [e for e in map(json.loads, lines) if e["event"] == "load"]
    assert load["tcp"] > 50
    measured = done.expectation("policy")["measured"]
    assert measured["queries"] == load["planned"] + load["tcp"] and measured["left_out"] == 0
    assert judged_as(done, NOT[policy])["verdict"] == "FAIL"


@pytest.mark.parametrize("policy", ["firstAvailable", "roundrobin", "whashed"])
def test_a_choice_that_a_refused_connection_hides_is_no_failure(tmp_path, policy):
    """Nothing shows which queries over TCP were DNS1's, which refuses them, before they were
    another's."""
    faults = TRUNCATE + 'at "3s" { kill = "DNS1" }\nat "6s" { start = "DNS1" }\n'
    done = ek.run(scenario(tmp_path, policy, faults), tmp_path / "run", "--engine", "virtual")
    claim = done.expectation("policy")
    if policy == "whashed":
        assert claim["verdict"] == "PASS" and claim["measured"]["left_out"] > 0, claim
    else:
        assert claim["verdict"] == "INCONCLUSIVE" and "over TCP" in claim["why"], claim
