# SPDX-License-Identifier: BSD-3-Clause
"""tests/fidelity.py: its statistics are right, it finds a model that is off, and it runs both
engines. Whether they agree is for `make fidelity` to say, in half an hour."""
import argparse
import collections
import copy
import fractions
import importlib.util
import itertools
import math
import re
import subprocess
import sys

import pytest

import ek


def fidelity():
    """tests/fidelity.py as a module."""
    sys.path.insert(0, str(ek.ROOT / "tests"))  # it imports what lies beside it
    spec = importlib.util.spec_from_file_location("fidelity", ek.ROOT / "tests" / "fidelity.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("m,n", [(1, 4), (3, 5), (4, 4)])
def test_fidelity_s_p_values_are_exact(m, n):
    """Against every way in which two samples can lie among each other."""
    f, counts = fidelity(), collections.Counter()
    for first in itertools.combinations(range(m + n), m):
        counts[f.distance(list(first), [v for v in range(m + n) if v not in first])] += 1
    for d in counts:
        ways = sum(c for other, c in counts.items() if other >= d)
        assert f.p_value(d, m, n) == fractions.Fraction(ways, math.comb(m + n, m))


def test_fidelity_tells_a_difference(tmp_path, capsys):
    """The same values agree, and a model that is 30 ms off doesn't."""
    f = fidelity()
    done = ek.run(ek.SCENARIOS / "hang.lua", tmp_path / "out", "--engine", "virtual", "--pcap",
                  "none")
    assert done.status == ek.PASS
    docs = [copy.deepcopy(done.doc) for _ in range(60)]
    for i, d in enumerate(docs):
        d["expectations"][1]["measured"]["balancers"][0]["last_query_ns"] += i * 1_000_000
    assert f.table(list(f.compare("hang", docs[:20], docs[:20])), 1e-6) == 0
    capsys.readouterr()
    assert f.table(list(f.compare("hang", docs[:20], docs[30:])), 1e-6) == 1
    bad = [line for line in capsys.readouterr().out.splitlines() if line.endswith("DIFFER")]
    assert len(bad) == 1 and "detect, LB1" in bad[0]


def test_fidelity_compares_the_same_machine():
    """What a run in namespaces says of its machine is what its twins in virtual time are told."""
    doc = {"harness": {"wire_delay_p50_us": 12, "send_late_p50_us": 19},
           "machine_us": {"balancer_start": 5300, "recursor_wake": 27}}
    assert fidelity().machine_of(doc, {"lab.links.delay": 50_000}) == [
        "lab.links.delay=56000ns", "lab.wake=19us", "lab.balancer_start=5300us",
        "lab.recursor_wake=27us"]


def test_fidelity_knows_the_scenarios_of_both_engines():
    options = argparse.Namespace(bin=ek.program("evenkeel"))
    names = fidelity().of_both_engines(options)
    assert {"blog", "hang", "replay", "weights"} <= set(names) and len(names) == len(set(names))
    assert not {"three-days", "hundred"} & set(names)  # virtual only


@pytest.mark.lab
def test_fidelity_runs_both_engines(tmp_path):
    done = subprocess.run(["/usr/bin/python3", ek.ROOT / "tests" / "fidelity.py", "--netns", "2",
                           "--labs", "2", "--virtual", "2", "--patient", "--dir", tmp_path, "--bin",
                           ek.program("evenkeel"), "blackhole"], capture_output=True, text=True,
                          timeout=150, check=False)
    if done.returncode == ek.CANT:
        ek.cant_lab(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^blackhole +detect, LB1 +ms( +\S+){8} +agree$", done.stdout,
                     re.MULTILINE), done.stdout
    assert "So few runs can't show a difference" in done.stdout
