# SPDX-License-Identifier: BSD-3-Clause
"""policy {} in namespaces: each policy of our balancer, and each that Debian's dnsdist has too, is
judged as it was configured, while a recursor is killed and comes back; under leastOutstanding
another one is slow. Several labs run at once, as they mostly wait."""
import concurrent.futures
import json

import pytest

import ek
from test_policy import NOT, POLICIES, judged_as, scenario

pytestmark = pytest.mark.lab
ONLY_OURS = {"orderedWrandUntag"}  # dnsdist has it from 2.0 on
# Long enough that it is surely known to be down for a while, by a harness that is itself late.
AWAY = 'at "2s" { kill = "DNS1" }\nat "6s" { start = "DNS1" }\n'
SLOW = 'at "1s" { slow = "DNS3", by = "60ms" }\n'
AT_ONCE = 7
PAIRS = [(policy, program) for policy in POLICIES for program in ("balancer", "dnsdist")
         if program == "balancer" or policy not in ONLY_OURS]


def lab(folder, policy, program):
    folder.mkdir()
    other = ["--balancer", ek.tool("dnsdist")] if program == "dnsdist" else []
    path = scenario(folder, policy, AWAY + SLOW * (policy == "leastOutstanding"))
    path.write_text(path.read_text().replace("zipf(1000)", "zipf(100)"))
    return ek.run_valid(path, folder / "run", *ek.PATIENT, "--set", "load.rate=400",
                        "--set", "load.to=9s", *other)


@pytest.fixture(scope="module")
def labs(tmp_path_factory):
    """{(policy, program): a future of its run}"""
    root = tmp_path_factory.mktemp("labs")
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        yield {(a, b): pool.submit(lab, root / f"{a}-{b}", a, b) for a, b in PAIRS}


def counts(done):
    """What each recursor was asked by the balancers."""
    return {s["name"]: s["queries"] for s in done.doc["servers"]}


@pytest.mark.parametrize("policy,program", PAIRS)
def test_each_policy_is_followed_and_is_no_other(labs, policy, program):
    done = labs[policy, program].result()
    claim = done.expectation("policy")
    assert claim["verdict"] == "PASS", done.text
    assert policy in claim["title"]
    assert judged_as(done, NOT[policy])["verdict"] == "FAIL"


@pytest.mark.parametrize("policy,program", [p for p in PAIRS if p[0] in ("chashed", "whashed")])
def test_names_stay_where_they_are_on_a_ring_alone(labs, policy, program):
    """When DNS1 went, none of the others' names moved under chashed; most did under whashed."""
    done = labs[policy, program].result()
    if policy == "chashed":
        assert done.expectation("policy")["measured"]["stayed"] > 20, done.text
        return
    again = judged_as(done, "chashed")
    assert again["verdict"] == "FAIL" and "which is still up" in again["why"], again


@pytest.mark.parametrize("program", ["balancer", "dnsdist"])
def test_a_slow_recursor_is_asked_less_under_least_outstanding(labs, program):
    done = labs["leastOutstanding", program].result()
    n = counts(done)
    assert 0 < n["DNS3"] < n["DNS2"], json.dumps(n)
