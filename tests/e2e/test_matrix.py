# SPDX-License-Identifier: BSD-3-Clause
"""The matrix of faults, policies and expectations (tests/matrix.py): a few of its cells both ways
in virtual time, and eight of its pairs with real programs in namespaces, several labs at once."""
import concurrent.futures
import importlib.util
import json
import subprocess
import sys

import pytest

import ek

# Each fault that a real machine can do, each policy at least once.
PAIRS = [("none", "leastOutstanding"), ("none", "chashed"), ("kill", "wrandom"),
         ("kill", "firstAvailable"), ("hang", "roundrobin"), ("blackhole", "whashed"),
         ("servfail", "orderedWrandUntag"), ("balancer", "wrandom")]
AT_ONCE = 4


@pytest.fixture(name="matrix")
def matrix_module(tmp_path):
    spec = importlib.util.spec_from_file_location("matrix", ek.ROOT / "tests" / "matrix.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.OUT = str(tmp_path)
    module.write_recursor()
    return module


def test_cells_hold_both_ways():
    done = subprocess.run(
        [sys.executable, str(ek.ROOT / "tests" / "matrix.py"), "--seeds", "3", "--jobs", "1",
         "--only", "^(kill-wrandom|none-chashed)$"], encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 don't hold" in done.stdout


def test_a_cell_whose_defect_is_not_caught_does_not_hold(matrix):
    cell = {"right": {"PASS": 100}, "wrong": {"FAIL": 90}}
    count = type("Options", (), {"seeds": 100, "wrong": 100})
    assert not matrix.cell_holds(cell, count)
    cell["wrong"]["FAIL"] = 97
    assert matrix.cell_holds(cell, count)
    cell["right"]["PASS"] = 99
    assert not matrix.cell_holds(cell, count)


def run_pair(matrix, fault, policy, out):
    """The verdict document of one lab; a reason for a skip, where there can be none."""
    scenario = matrix.write(policy, fault)
    done = subprocess.run([ek.program("evenkeel"), "run", *ek.PATIENT, "--out", str(out), scenario],
                          encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)
    if done.returncode == ek.CANT:
        return None, done.stderr
    return json.loads((out / "verdict.json").read_text()), done.stdout


@pytest.mark.lab
def test_eight_pairs_hold_in_namespaces(matrix, tmp_path):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        runs = {pair: pool.submit(run_pair, matrix, *pair, tmp_path / "-".join(pair))
                for pair in PAIRS}
    for (fault, policy), run in runs.items():
        doc, text = run.result()
        if doc is None:
            ek.cant_lab(text.strip())
        assert doc["verdict"] == "PASS", f"{fault}, {policy}: {doc.get('invalid')}\n{text}"
