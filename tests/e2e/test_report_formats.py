# SPDX-License-Identifier: BSD-3-Clause
"""What CI systems parse: the golden reports are well-formed XML and TAP, and both count alike."""
import re
import xml.etree.ElementTree as ET

import pytest

import ek

GOLDEN = sorted((ek.ROOT / "tests" / "golden" / "report").glob("*.json"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_junit_is_well_formed_and_its_totals_are_right(path):
    root = ET.parse(path.with_suffix(".xml")).getroot()
    for element in [root, *root.iter("testsuite")]:
        cases = list(element.iter("testcase"))
        for total, tag in [("failures", "failure"), ("errors", "error"), ("skipped", "skipped")]:
            assert int(element.get(total)) == sum(c.find(tag) is not None for c in cases)
        assert int(element.get("tests")) == len(cases)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_tap_counts_what_junit_counts(path):
    root = ET.parse(path.with_suffix(".xml")).getroot()
    lines = path.with_suffix(".tap").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "TAP version 13"
    points = [line for line in lines if re.match(r"(not )?ok \d+ - ", line)]
    assert lines[1] == f"1..{len(points)}"
    assert len(points) == int(root.get("tests"))
    bad = int(root.get("failures")) + int(root.get("errors"))
    assert sum(p.startswith("not ok") for p in points) == bad
    assert sum(" # SKIP " in p for p in points) == int(root.get("skipped"))


def test_no_golden_file_is_missing():
    assert len(GOLDEN) >= 4
