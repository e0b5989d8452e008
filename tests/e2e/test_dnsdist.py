# SPDX-License-Identifier: BSD-3-Clause
"""A program that we didn't write takes the balancer's place: wire, load and judge must hold for it,
with the bounds of its version."""
import pytest

import ek

pytestmark = pytest.mark.lab


def test_the_reference_set_up_passes_with_the_real_dnsdist(tmp_path):
    dnsdist = ek.tool("dnsdist")
    done = ek.run_valid(ek.SCENARIOS / "blog.lua", tmp_path / "run", *ek.PATIENT,
                        "--balancer", dnsdist)
    assert (done.status, done.verdict) == (ek.PASS, "PASS"), done.text
    assert "dnsdist" in done.doc["balancer"]["program"]
    assert done.doc["balancer"]["version"], "its version decides the bounds"
